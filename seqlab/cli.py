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
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer
from typer.core import TyperCommand, TyperGroup

from seqlab import __version__, calls, catalogue
from seqlab.calls import HELP, HELP_NAMES
from seqlab.locale import LANGUAGES, N_, _, preferred, speak

if TYPE_CHECKING:
    from seqlab.emit import Look


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

        formatter.write(emit.rendered(helping.syllabus(self.get_params(ctx)), ctx.obj))


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
    options = words[: words.index("--")] if "--" in words else words
    look = _look(options)
    speak(_language(options, look))
    try:
        with _leaving():
            status = _guarded(words, look)
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
        for each in before:
            signal.signal(each, signal.SIG_IGN)  # a second one must not break the cleanup off
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


# What is found before anything is parsed, for help and errors follow it too


def _look(options: list[str]) -> "Look":
    """How the options ask output to look."""
    from seqlab.emit import NARROWEST, WIDEST, Colour, Ground, Look

    width = _asked(options, "--width", [str(n) for n in range(NARROWEST, WIDEST + 1)])
    return Look(
        _asked(options, "--color", get_args(Colour)) or "auto",
        _asked(options, "--theme", get_args(Ground)) or "dark",
        int(width) if width else None,
        "--ascii" in options,
    )


def _language(options: list[str], look: "Look") -> str:
    """That of --lang, or what the environment asks for; where only 7 bits get through, English."""
    from seqlab import emit

    if look.ascii or not emit.is_unicode(sys.stdout):
        return "en"
    return _asked(options, "--lang", LANGUAGES) or preferred()


def _asked(options: list[str], name: str, allowed: Collection[str]) -> Any:
    """The last value that was given for an option and is one of its values, if there is one."""
    given = [
        after if word == name else word.removeprefix(f"{name}=")
        for word, after in pairwise([*options, ""])
        if word.partition("=")[0] == name
    ]
    return next((value for value in reversed(given) if value in allowed), None)


def _guarded(arguments: list[str], look: "Look") -> int:
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
                    typer.Context(group, info_name="seqlab", obj=look, help_option_names=HELP_NAMES)
                )
            )
            return 0
        settings: dict[str, Any] = {"obj": look, "color": True}  # whether it is, emit decides
        outcome = group.main(arguments, prog_name="seqlab", standalone_mode=False, **settings)
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
            help_command = " ".join(["seqlab", *_called(arguments), "--help"])
            emit.error(str(calls.explained(problem, help_command)), look)
            return 2
        emit.error(_failure(problem), look)
        return 1


def _called(arguments: Sequence[str]) -> list[str]:
    """The command that was called, as far as the words name one."""
    found = [name for name in arguments[:1] if catalogue.find(name) or catalogue.find_tool(name)]
    tool = catalogue.find_tool(found[0]) if found else None
    several = getattr(importlib.import_module(tool.module), "COMMANDS", {}) if tool else {}
    return found + [name for name in arguments[1:2] if name in several]


def _run(call: calls.Call) -> int:
    """Argv -> run -> Result -> show -> emit."""
    from seqlab import emit, predict

    emit.check_exports(call.exports)
    film = emit.Film() if call.predict and not call.json and emit.converses() else None
    with emit.progress(look=call.look, film=film) as watch:
        result = call.result(watch)
    stopped = getattr(result, "stopped", False)
    question = votes = None
    if film is not None and not stopped:  # nobody knows what a stopped run would have found
        question = call.question(result)
        votes = predict.ask(question, call.look, call.command)
        film.play(call.look, _("How it learned, faster than it did: Ctrl-C goes on."))
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
