"""Write evaluation logs with the real Inspect package, and beside each what its own reader says of it.

Run with a Python that has inspect_ai (scripts/install-inspect.sh makes one), from any folder:

    .venv-peers/inspect/bin/python scripts/write_golden_logs.py golden tests/findings/data/logs
    .venv-peers/inspect/bin/python scripts/write_golden_logs.py live FOLDER --samples 500
    .venv-peers/inspect/bin/python scripts/write_golden_logs.py describe LOG

No network is used: the model is Inspect's mock, whose outputs carry their token counts, since it would
otherwise fetch a tokenizer to count them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PICTURE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
WEIGHTS = "0123456789abcdef" * 4


def outputs(answers):
    """The mock model with these answers, each with its token counts."""
    from inspect_ai.model import ModelOutput, ModelUsage, get_model

    def one(answer):
        made = ModelOutput.from_content("mockllm/model", answer)
        made.usage = ModelUsage(input_tokens=7, output_tokens=3, total_tokens=10)
        return made

    return get_model("mockllm/model", custom_outputs=[one(answer) for answer in answers])


def items(count, long=False):
    """Sums to add, with ids that are numbers and words, in families of three."""
    from inspect_ai.dataset import Sample
    from inspect_ai.model import ChatMessageUser, ContentImage, ContentText

    made = []
    for i in range(count):
        prompt = f"What is {i} + {i}? " + ("Think it over. " * 20 if long else "")
        if long and i % 2:
            prompt = [ChatMessageUser(content=[ContentText(text=prompt), ContentImage(image=PICTURE)])]
        made.append(
            Sample(
                id=i + 1 if i % 2 else f"sum {i:03d}/é",
                input=prompt,
                target=str(2 * i),
                metadata={"family": f"f{i // 3}", "weight": i / 4},
            )
        )
    return made


def scorers():
    """A letter, an object with a gap, and a number that is NaN where the item is unscored."""
    from inspect_ai.scorer import Score, match, mean, scorer, stderr

    @scorer(metrics={"clear": [mean(), stderr()], "brief": [mean()]})
    def style():
        async def score(state, target):
            length = len(state.output.completion)
            return Score(value={"clear": length / 4, "brief": length < 3}, explanation="by length")

        return score

    @scorer(metrics=[mean(), stderr()])
    def distance():
        async def score(state, target):
            try:
                gap = abs(float(state.output.completion) - float(target.text))
            except ValueError:
                return Score.unscored(reason="no_response", explanation="no number")
            return Score(value=gap, answer=state.output.completion, metadata={"unit": "one"})

        return score

    return [match(numeric=True), style(), distance()]


def task(name, samples, **options):
    """A task over these items."""
    from inspect_ai import Task
    from inspect_ai.dataset import MemoryDataset
    from inspect_ai.solver import generate

    options.setdefault("solver", [generate()])
    options.setdefault("scorer", scorers())
    return Task(dataset=MemoryDataset(samples, name="sums"), name=name, version=2, **options)


def answers(count, epochs=1):
    """Right, wrong and wordless answers in turn."""
    return [str(2 * (i % count) + (i % 5 == 3)) if i % 7 != 6 else "no idea" for i in range(count * epochs)]


def run(made, model, place, **options):
    """Evaluate, and give the one log's file."""
    from inspect_ai import eval as evaluate

    options.setdefault("log_format", "eval")
    logs = evaluate(made, model=model, log_dir=str(place), display="none", max_samples=1, **options)
    return Path(logs[0].location.removeprefix("file://"))


def failing(on):
    """A solver that raises on one item."""
    from inspect_ai.solver import solver

    @solver
    def fragile():
        async def solve(state, generate):
            if str(state.sample_id) == str(on):
                raise ValueError("the sandbox burnt down")
            return await generate(state)

        return solve

    return fragile()


def stopping(on, how):
    """A solver that interrupts or kills the whole process on one item."""
    from inspect_ai.solver import solver

    @solver
    def interrupted():
        async def solve(state, generate):
            if str(state.sample_id) == str(on):
                if how == "kill":
                    os._exit(9)
                os.kill(os.getpid(), signal.SIGINT)
                import anyio

                await anyio.sleep(5)
            return await generate(state)

        return solve

    return interrupted()


def without_places():
    """Leave the folders of this machine out of tracebacks and messages."""
    import inspect_ai.log._log as log

    folders = re.compile(r"(/[\w.@+-]+)+/(?=[\w.-]+)")
    message, traceback = log.exception_message, log.format_traceback
    log.exception_message = lambda error: folders.sub("", message(error))
    log.format_traceback = lambda *error: tuple(folders.sub("", text) for text in traceback(*error))


def success(place):
    return run(
        task("sums", items(9, long=True), metadata={"weights_sha256": WEIGHTS}),
        outputs(answers(9)),
        place,
        tags=["golden", "mock"],
        metadata={"purpose": "golden"},
    )


def epochs(place):
    return run(task("sums", items(6), epochs=3), outputs(answers(6, 3)), place)


def document(place):
    return run(task("sums", items(6)), outputs(answers(6)), place, log_format="json")


def error(place):
    return run(task("sums", items(6), solver=[failing(4)]), outputs(answers(6)), place)


def sample_error(place):
    return run(task("sums", items(6), solver=[failing(4)], fail_on_error=False), outputs(answers(6)), place)


def limited(place):
    from inspect_ai.solver import generate, user_message

    solver = [generate(), user_message("Are you sure?"), generate()]
    return run(task("sums", items(3), solver=solver, message_limit=3), outputs(answers(3, 2)), place)


def cancelled(place):
    return run(
        task("sums", items(6), solver=[stopping(4, "interrupt")]), outputs(answers(6)), place, log_buffer=1
    )


def started(place):
    return run(task("sums", items(6), solver=[stopping(4, "kill")]), outputs(answers(6)), place, log_buffer=1)


def empty_start(place):
    made = task("sums", items(3), solver=[stopping("sum 000/é", "kill")])
    return run(made, outputs(answers(3)), place, log_buffer=1)


def invalidated(place):
    from inspect_ai.log import ProvenanceData, invalidate_samples, read_eval_log, write_eval_log

    file = success(place)
    log = read_eval_log(str(file))
    why = ProvenanceData(author="a reviewer", reason="the answer was in the prompt")
    log = invalidate_samples(log, sample_uuids=[log.samples[0].uuid], provenance=why)
    write_eval_log(log, str(file))
    return file


def edited(place):
    from inspect_ai.log import (
        MetadataEdit,
        ProvenanceData,
        TagsEdit,
        edit_eval_log,
        edit_score,
        read_eval_log,
        write_eval_log,
    )
    from inspect_ai.scorer import ScoreEdit

    file = success(place)
    log = read_eval_log(str(file))
    who = ProvenanceData(author="a reviewer", reason="misread")
    edit_score(log, log.samples[1].id, "match", ScoreEdit(value="P", provenance=who))
    changes = [
        TagsEdit(tags_add=["checked"], tags_remove=["mock"]),
        MetadataEdit(metadata_set={"checked_by": "a reviewer"}, metadata_remove=["purpose"]),
    ]
    write_eval_log(edit_eval_log(log, changes, who), str(file))
    return file


def multi_frame(place):
    import inspect_ai._util.zipfile as archive

    before, archive._MAX_INPUT_PER_FRAME = archive._MAX_INPUT_PER_FRAME, 700
    try:
        return run(task("sums", items(4, long=True)), outputs(answers(4)), place)
    finally:
        archive._MAX_INPUT_PER_FRAME = before


def in_repository(place, dirty):
    """An evaluation run inside a git repository, clean or with a change that was not committed."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        git = ["git", "-C", folder, "-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
        Path(folder, "task.txt").write_text("sums")
        for command in (
            ["init", "-q"],
            ["remote", "add", "origin", "https://example.org/sums.git"],
            ["add", "."],
            ["commit", "-qm", "sums"],
        ):
            subprocess.run([*git, *command], check=True)
        if dirty:
            Path(folder, "task.txt").write_text("other sums")
        os.chdir(folder)
        try:
            return run(task("sums", items(3)), outputs(answers(3)), place)
        finally:
            os.chdir(here)


def clean(place):
    return in_repository(place, dirty=False)


def dirty(place):
    return in_repository(place, dirty=True)


GOLDEN = (
    success,
    epochs,
    document,
    error,
    sample_error,
    limited,
    cancelled,
    started,
    empty_start,
    invalidated,
    edited,
    multi_frame,
    clean,
    dirty,
)


def dumped(value):
    """A model of theirs as plain data."""
    return None if value is None else json.loads(value.model_dump_json())


def text_of(content):
    """A prompt or a message's content as text."""
    if isinstance(content, str):
        return content
    return [getattr(part, "text", getattr(part, "image", None)) or str(part) for part in content]


def spoken(messages):
    """Roles and contents of a conversation, or the text of a prompt."""
    if isinstance(messages, str):
        return messages
    return [[message.role, text_of(message.content)] for message in messages]


def describe_sample(sample):
    """What their reader says of one sample."""
    scores = sample.scores or {}
    return {
        "id": sample.id,
        "epoch": sample.epoch,
        "input": spoken(sample.input),
        "target": sample.target,
        "scores": {name: [score.value, score.answer, score.explanation] for name, score in scores.items()},
        "metadata": sample.metadata,
        "messages": spoken(sample.messages),
        "completion": sample.output.completion,
        "error": sample.error and sample.error.message,
        "limit": sample.limit and sample.limit.type,
        "invalidation": sample.invalidation and [sample.invalidation.author, sample.invalidation.reason],
        "tokens": {name: usage.total_tokens for name, usage in sample.model_usage.items()},
        "uuid": sample.uuid,
    }


def describe(file):
    """What their reader says of a log."""
    from inspect_ai.log import read_eval_log, read_eval_log_sample_summaries

    log = read_eval_log(str(file))
    spec = log.eval
    return {
        "version": log.version,
        "status": log.status,
        "eval_id": spec.eval_id,
        "run_id": spec.run_id,
        "created": spec.created,
        "task": spec.task,
        "task_id": spec.task_id,
        "task_version": spec.task_version,
        "task_args": spec.task_args,
        "model": spec.model,
        "dataset": spec.dataset.name,
        "dataset_samples": spec.dataset.samples,
        "sample_ids": spec.dataset.sample_ids,
        "epochs": spec.config.epochs,
        "revision": dumped(spec.revision),
        "packages": spec.packages,
        "scorers": [scorer.name for scorer in spec.scorers or []],
        "steps": [step.solver for step in log.plan.steps],
        "invalidated": log.invalidated,
        "tags": log.tags,
        "metadata": log.metadata,
        "error": log.error and log.error.message,
        "totals": log.results and [log.results.total_samples, log.results.completed_samples],
        "metrics": {
            f"{score.scorer}/{score.name}/{name}": metric.value
            for score in (log.results.scores if log.results else [])
            for name, metric in score.metrics.items()
        },
        "tokens": {name: usage.total_tokens for name, usage in log.stats.model_usage.items()},
        "samples": [describe_sample(sample) for sample in log.samples or []],
        "summaries": [
            [summary.id, summary.epoch, sorted(summary.scores or {})]
            for summary in read_eval_log_sample_summaries(str(file))
        ],
    }


def write_description(file, out):
    """Their reading of a log, as JSON beside it."""
    out.write_text(json.dumps(describe(file), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def one(name, place):
    """Write one golden log and its description; one whose process was killed is there too."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, __file__, "run", name, folder], check=False, cwd=folder)
        files = [file for file in Path(folder).iterdir() if file.suffix in (".eval", ".json")]
        if len(files) != 1:
            raise SystemExit(f"{name}: {len(files)} logs were written")
        kept = place / f"{name}{files[0].suffix}"
        kept.write_bytes(files[0].read_bytes())
    write_description(kept, place / f"{name}.expected.json")
    print(f"{kept.name}: {kept.stat().st_size} bytes", members(kept))


def members(file):
    """How many members an archive has, and by which methods they are compressed."""
    if file.suffix != ".eval":
        return ""
    with zipfile.ZipFile(file) as archive:
        found = archive.infolist()
    return f"{len(found)} members, methods {sorted({member.compress_type for member in found})}"


def live(place, count):
    """A log of many samples, and its description."""
    place.mkdir(parents=True, exist_ok=True)
    file = run(task("sums", items(count)), outputs(answers(count)), place)
    kept = file.rename(place / "live.eval")
    write_description(kept, place / "live.expected.json")
    print(kept)


def main():
    """Read the arguments and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["golden", "live", "run", "describe"])
    parser.add_argument("place")
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--samples", type=int, default=500)
    arguments = parser.parse_args()
    if arguments.what == "golden":
        for made in GOLDEN:
            one(made.__name__, Path(arguments.place).resolve())
    elif arguments.what == "run":
        without_places()
        {made.__name__: made for made in GOLDEN}[arguments.place](Path(arguments.folder))
    elif arguments.what == "live":
        live(Path(arguments.place).resolve(), arguments.samples)
    else:
        print(json.dumps(describe(arguments.place), ensure_ascii=False))


if __name__ == "__main__":
    main()
