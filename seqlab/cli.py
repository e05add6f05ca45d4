"""The `seqlab` command, built from the catalogue. A module is loaded when its command is called.

`seqlab` and `seqlab --help` load neither NumPy nor torch.
"""

import os

# One thread: on few cores a second BLAS thread makes small models up to ten times slower. This must
# be said before NumPy is loaded; who sets the variables keeps what they set.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import contextlib
import importlib
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand, TyperGroup

from seqlab import __version__, calls, catalogue
from seqlab.calls import HELP, HELP_NAMES
from seqlab.locale import LANGUAGES, N_, _, preferred, speak


class Syllabus(TyperGroup):
    """The group of all commands: known from the catalogue, loaded one at a time."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        return list(catalogue.commands())

    def get_command(self, ctx: typer.Context, name: str) -> TyperCommand | TyperGroup | None:  # type: ignore[override]
        experiment, tool = catalogue.find(name), catalogue.find_tool(name)
        if experiment is not None:
            return calls.command(experiment)
        return None if tool is None else calls.tool(name, importlib.import_module(tool.module))

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        names = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in names:
            raise calls.unknown(args[0], names)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: typer.Context, incomplete: str) -> Any:  # type: ignore[override]
        from typer._click.shell_completion import CompletionItem

        items = [
            CompletionItem(name, help=_(line))
            for name, line in catalogue.commands().items()
            if name.startswith(incomplete)
        ]
        return [*items, *TyperCommand.shell_complete(self, ctx, incomplete)]

    def format_help(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        from seqlab import emit, helping

        formatter.write(emit.rendered(helping.syllabus(self.get_params(ctx))))


def _version(wanted: bool) -> None:
    if wanted:
        from seqlab import emit

        emit.put(f"seqlab {__version__}")
        raise typer.Exit


app = typer.Typer(
    name="seqlab",
    context_settings=HELP,
    cls=Syllabus,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def seqlab(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help=N_("The version."))
    ] = False,
    lang: Annotated[
        Literal["en", "zh"] | None,
        typer.Option(help=N_("Language of what follows.")),
    ] = None,
) -> None:
    """Sequence models, seen at work in a terminal."""
    if ctx.invoked_subcommand is None:
        from seqlab import emit

        emit.put(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 0, 1 a failed run, 2 bad input, 130 Ctrl-C."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever called (>&-)
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    speak(_language(words))
    try:
        with _leaving():
            status = _guarded(words)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # The reader has gone (| head). Python would complain once more on flushing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


@contextlib.contextmanager
def _leaving() -> Iterator[None]:
    """What a kill or a closed window ends is ended in order: the cursor is seen again."""

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    signals = [getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")]
    before = {n: signal.getsignal(n) for n in signals if n is not None}
    if threading.current_thread() is not threading.main_thread():
        before = {}  # signals cannot be set there
    before = {n: handler for n, handler in before.items() if handler is signal.SIG_DFL}  # no nohup
    for number in before:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _language(arguments: list[str]) -> str:
    """The language of this run, found before anything is parsed: help and errors speak it too.

    It is that of --lang, or what the environment asks for; where only 7 bits get through, English.
    """
    from seqlab import emit

    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if "--ascii" in options or not emit.is_unicode(sys.stdout):
        return "en"
    language = preferred()
    for word, after in pairwise([*options, ""]):
        asked = after if word == "--lang" else word.removeprefix("--lang=")
        if word.startswith("--lang") and asked in LANGUAGES:
            language = asked
    return language


def _guarded(arguments: list[str]) -> int:
    """Run; turn whatever goes wrong into one line and an exit status."""
    from seqlab.lab import BadInput

    try:
        group = typer.main.get_command(app)
        completing = "_SEQLAB_COMPLETE" in os.environ
        if (
            arguments in ([], ["--help"], ["-h"]) and not completing
        ):  # Typer would load pydantic for it
            from seqlab import emit

            emit.put(
                group.get_help(
                    typer.Context(group, info_name="seqlab", help_option_names=HELP_NAMES)
                )
            )
            return 0
        outcome = group.main(arguments, prog_name="seqlab", standalone_mode=False)
        if isinstance(outcome, calls.Call):
            return _run(outcome.read())
        if callable(outcome):
            outcome = outcome()
        return outcome if isinstance(outcome, int) else 0
    except BrokenPipeError:
        raise
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as problem:
        if os.environ.get("SEQLAB_DEBUG") == "1":
            raise
        from seqlab import emit

        if isinstance(problem, (BadInput, calls.ClickException)):
            named = [a for a in arguments[:1] if catalogue.find(a) or catalogue.find_tool(a)]
            emit.error(str(calls.explained(problem, " ".join(["seqlab", *named, "--help"]))))
            return 2
        emit.error(_failure(problem))
        return 1


def _run(call: calls.Call) -> int:
    """Argv -> run -> Result -> show -> emit."""
    from seqlab import emit, predict

    emit.check_exports(call.exports)
    film = emit.Film() if call.predict and not call.json and emit.converses() else None
    with emit.progress(look=call.look, film=film) as watch:
        result = call.result(watch)
    question = votes = None
    if film is not None:
        question = call.question(result)
        votes = predict.ask(question, call.look, call.command)
        film.play(call.look)
    stopped = getattr(result, "stopped", False)
    with emit.progress(look=call.look) as watch:
        checks = [] if stopped else call.checks(watch)
    report = call.report(result, checks)
    emit.export(report, call.look, call.exports)
    emit.say(report, call.look, call.json)
    if question is not None:
        emit.put_figure(predict.revealed(question, votes), call.look)
    if stopped:
        return 130
    return 0 if all(check.passed for check in checks) and not _unsaved(result) else 1


def _unsaved(result: object) -> bool:
    """Whether a file that was asked for could not be written, though all else went well."""
    return bool(getattr(result, "unsaved", False))


def _failure(problem: Exception) -> str:
    """What to say of a run that failed."""
    if isinstance(problem, MemoryError):
        return _("not enough memory for this: try smaller options")
    if isinstance(problem, OSError) and problem.strerror:
        return f"{problem.filename}: {problem.strerror}" if problem.filename else problem.strerror
    return _("{kind}: {problem} (a defect of seqlab: SEQLAB_DEBUG=1 shows where)").format(
        kind=type(problem).__name__, problem=problem
    )
