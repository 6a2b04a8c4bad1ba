"""What single latents are about: examples, logit effects, importance, dashboards, explanations."""
