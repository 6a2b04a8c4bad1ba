"""Where decoder rows point: neighbours, the same latents in other dictionaries, and how features split."""
