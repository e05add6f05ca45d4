"""The `seqlab` command, built from the catalogue. A module is loaded when its command is called.

`seqlab` and `seqlab --help` load neither NumPy nor torch.
"""

import os

# One thread: on few cores a second BLAS thread makes small models up to ten times slower. This must
# be said before NumPy is loaded; who sets the variables keeps what they set.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import importlib
import inspect
import shlex
import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand, TyperGroup

from seqlab import __version__, catalogue
from seqlab.locale import LANGUAGES, N_, _, preferred, speak

# What Typer says by itself of a command line.
_EXTRA = "got unexpected extra argument(s) {what}"
_TYPER = {
    "no such option: {what}": N_("no such option: {what}"),
    "option {what} requires an argument": N_("option {what} requires an argument"),
    "option {what} does not take a value": N_("option {what} does not take a value"),
    _EXTRA: N_("unexpected {what}: expected one argument at the most, several words in quotes"),
}
_NO_ARGUMENT = N_("unexpected {what}: expected options only")


def _common(
    json: Annotated[
        bool, typer.Option("--json", help=N_("One JSON document, nothing else."))
    ] = False,
    export: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help=N_("Also write FILE: .svg .html .txt .json by suffix; repeat it.")
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help=N_("Compare with an independent oracle in torch."))
    ] = False,
    detail: Annotated[
        bool, typer.Option("--detail", help=N_("Show what does not fit the first screen."))
    ] = False,
    lang: Annotated[
        Literal["en", "zh"] | None,
        typer.Option(help=N_("Language; by default from SEQLAB_LANG, then the locale.")),
    ] = None,
    ascii: Annotated[bool, typer.Option("--ascii", help=N_("7-bit output only."))] = False,
    color: Annotated[
        Literal["auto", "truecolor", "256", "16", "none"],
        typer.Option(help=N_("Colours; auto asks the terminal and NO_COLOR.")),
    ] = "auto",
    theme: Annotated[
        Literal["dark", "light"], typer.Option(help=N_("The ground that is drawn on."))
    ] = "dark",
    width: Annotated[
        int | None, typer.Option(min=40, max=300, help=N_("Columns, instead of the terminal's."))
    ] = None,
) -> None:
    """The options that every experiment has besides its own and --seed."""


_COMMON = inspect.signature(_common).parameters


class Syllabus(TyperGroup):
    """The group of all experiments: known from the catalogue, loaded one at a time."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        return [e.name for e in catalogue.EXPERIMENTS]

    def get_command(self, ctx: typer.Context, name: str) -> TyperCommand | None:  # type: ignore[override]
        experiment = catalogue.find(name)
        return None if experiment is None else _command(experiment)

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        if args and not args[0].startswith("-") and catalogue.find(args[0]) is None:
            names = self.list_commands(ctx)
            close = get_close_matches(args[0], names, n=1)
            hint = f"seqlab {close[0]}" if close else "seqlab"
            from seqlab.lab import BadInput

            wrong = _("no experiment {name}").format(name=repr(args[0]))
            raise BadInput(wrong, _("one of {names}").format(names=", ".join(names)), f"'{hint}'")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: typer.Context, incomplete: str) -> Any:  # type: ignore[override]
        from typer._click.shell_completion import CompletionItem

        found = [e for e in catalogue.EXPERIMENTS if e.name.startswith(incomplete)]
        items = [CompletionItem(e.name, help=_(e.line)) for e in found]
        return [*items, *TyperCommand.shell_complete(self, ctx, incomplete)]

    def format_help(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        from seqlab import emit, helping

        formatter.write(emit.rendered(helping.syllabus(self.get_params(ctx))))


class Command(TyperCommand):
    """An experiment's command, with help of our own: Typer's reads docstrings as markup."""

    def format_help(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        from seqlab import emit, helping

        page = helping.command(
            ctx.command_path, self.help or "", self.get_params(ctx), set(_COMMON)
        )
        formatter.write(emit.rendered(page))


def _version(wanted: bool) -> None:
    if wanted:
        from seqlab import emit

        emit.put(f"seqlab {__version__}")
        raise typer.Exit


_HELP_NAMES = ["-h", "--help"]
_HELP = {"help_option_names": _HELP_NAMES}

app = typer.Typer(
    name="seqlab",
    context_settings=_HELP,
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


def _command(experiment: catalogue.Experiment) -> TyperCommand:
    """The command of one experiment: the parameters of its `run`, and the common ones."""
    module = importlib.import_module(experiment.module)
    own = {n: p for n, p in inspect.signature(module.run).parameters.items() if n != "watch"}

    def call(ctx: typer.Context, **values: Any) -> int:
        return _run(experiment, module, ctx, values, list(own))

    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    parameters = [context, *own.values(), *_COMMON.values()]
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {p.name: p.annotation for p in parameters}
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(
        experiment.name, cls=Command, help=inspect.getdoc(module), context_settings=_HELP
    )(call)
    command = typer.main.get_command(single)
    assert isinstance(command, TyperCommand)
    return command


def _run(
    experiment: catalogue.Experiment,
    module: ModuleType,
    ctx: typer.Context,
    values: Mapping[str, Any],
    own: Sequence[str],
) -> int:
    """Argv -> run -> Result -> show -> emit."""
    from seqlab import emit
    from seqlab.lab import BadInput

    texts = {p.name for p in ctx.command.params if p.metavar == "TEXT"}
    options = {n: _standard_input(values[n]) if n in texts else values[n] for n in own}
    look = emit.Look(values["color"], values["theme"], values["width"], values["ascii"])
    exports: list[Path] = values["export"] or []
    emit.check_exports(exports)
    if values["check"] and not hasattr(module, "check"):
        raise BadInput("--check", _("an experiment that has an oracle"), "--help")
    takes_watch = "watch" in inspect.signature(module.run).parameters
    with emit.progress(look=look) as watch:
        result = module.run(**options, **({"watch": watch} if takes_watch else {}))
    stopped, checks = getattr(result, "stopped", False), []
    if values["check"] and not stopped:
        with emit.progress(look=look) as watch:
            watch(0.0, _("comparing with an oracle in torch"))
            checks = module.check(**options)
    report = emit.Report(
        experiment=experiment.name,
        command=_spelled(ctx, options),
        seed=options["seed"],
        seed_given=_was_given(ctx, "seed"),
        options=_in_force(options, result),
        result=result,
        figure=module.show(result, detail=values["detail"]),
        takeaways=module.takeaways(result),
        checks=checks,
    )
    emit.export(report, look, exports)
    emit.say(report, look, values["json"])
    if stopped:
        return 130
    return 0 if all(check.passed for check in checks) else 1


def _in_force(options: Mapping[str, Any], result: object) -> dict[str, Any]:
    """The options, with the value that the run chose for those that were left to it."""
    chosen = {n: getattr(result, n, None) for n, value in options.items() if value is None}
    plain = {n: value for n, value in chosen.items() if isinstance(value, (int, float, str))}
    return {**options, **plain}


def _standard_input(value: Any) -> Any:
    """A text `-` is what comes in at standard input, without the line break that ends it."""
    if value != "-":
        return value
    if sys.stdin is None:
        from seqlab.lab import BadInput

        raise BadInput("-", _("a text at standard input, which is closed"))
    text = sys.stdin.buffer.read().decode("utf-8", "replace")
    return text.removesuffix("\n").removesuffix("\r")


def _was_given(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _spelled(ctx: typer.Context, options: Mapping[str, Any]) -> str:
    """The command line that repeats this run: arguments and every option that was given.

    Of the common options only --detail belongs to it: the others say how it looks, not what it is.
    """
    words, arguments = [], []
    for param in ctx.command.params:
        name = param.name or ""
        if not (name in options or name == "detail") or not _was_given(ctx, name):
            continue
        value = ctx.params[name]
        if param.param_type_name == "argument":
            arguments.append(str(value))
            continue
        flag = max(param.opts, key=len)
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(item, bool):
                words.append(flag if item else param.secondary_opts[-1])
            else:
                words += [flag, _number(item) if isinstance(item, float) else str(item)]
    if any(text.startswith("-") and text != "-" for text in arguments):
        words += ["--", *arguments]  # else they would be taken for options
    else:
        words = [*arguments, *words]
    return shlex.join(["seqlab", ctx.info_name or "", *words])


def _number(value: float) -> str:
    """The shortest text that reads as `value` again."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 0, 1 a failed run, 2 bad input, 130 Ctrl-C."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever called (>&-)
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    speak(_language(words))
    try:
        status = _guarded(words)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # The reader has gone (| head). Python would complain once more on flushing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


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
    from typer._click.exceptions import ClickException

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
                    typer.Context(group, info_name="seqlab", help_option_names=_HELP_NAMES)
                )
            )
            return 0
        status = group.main(arguments, prog_name="seqlab", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except BrokenPipeError:
        raise
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as problem:
        if os.environ.get("SEQLAB_DEBUG") == "1":
            raise
        from seqlab import emit

        if isinstance(problem, (BadInput, ClickException)):
            named = [a for a in arguments[:1] if catalogue.find(a)]
            emit.error(_bad_input(problem, " ".join(["seqlab", *named, "--help"])))
            return 2
        emit.error(_failure(problem))
        return 1


def _failure(problem: Exception) -> str:
    """What to say of a run that failed."""
    if isinstance(problem, MemoryError):
        return _("not enough memory for this: try smaller options")
    if isinstance(problem, OSError) and problem.strerror:
        return f"{problem.filename}: {problem.strerror}" if problem.filename else problem.strerror
    return _("{kind}: {problem} (a defect of seqlab: SEQLAB_DEBUG=1 shows where)").format(
        kind=type(problem).__name__, problem=problem
    )


def _bad_input(problem: Any, help_command: str) -> str:
    """What was wrong, what was expected, what to try."""
    from seqlab.lab import BadInput

    if isinstance(problem, BadInput) and problem.hint:
        return str(problem)
    param = getattr(problem, "param", None)
    details: list[Any] = getattr(problem.__cause__, "errors", list)()
    if param is not None and details:
        is_argument = param.param_type_name == "argument"
        name = param.display_name_raw.upper() if is_argument else max(param.opts, key=len)
        example = param.default[0] if isinstance(param.default, list) else param.default
        if example is None:  # then the nearest number that is allowed
            limits = details[0].get("ctx", {})
            example = limits.get("ge", limits.get("le"))
        try_ = f"'{help_command}'" if is_argument or example is None else f"{name} {example}"
        wrong = f"{name} {details[0]['input']}"
        return str(BadInput(wrong, _expected(details[0], param), try_))
    text = (getattr(problem, "message", "") or str(problem)).rstrip(".")
    text = text[:1].lower() + text[1:]
    context = getattr(problem, "ctx", None)
    takes = context is None or any(p.param_type_name == "argument" for p in context.command.params)
    for pattern, sentence in (_TYPER if takes else {**_TYPER, _EXTRA: _NO_ARGUMENT}).items():
        before, after = pattern.split("{what}")
        if text.startswith(before) and text.endswith(after):
            text = _(sentence).format(what=text[len(before) : len(text) - len(after)])
            break
    return _("{problem}; try '{command}'").format(problem=text, command=help_command)


def _expected(detail: Mapping[str, Any], param: Any) -> str:
    """What an option takes, from pydantic's account of why it did not take what it got."""
    from seqlab.helping import choices

    limits = detail.get("ctx", {})
    named = choices(param)
    if named:
        return _(" or ").join([", ".join(named[:-1]), named[-1]])
    if "ge" in limits:
        return _("at least {low}").format(low=limits["ge"])
    if "le" in limits:
        return _("at most {high}").format(high=limits["le"])
    kinds = {"int": _("a whole number"), "float": _("a number"), "bool": _("yes or no")}
    return kinds.get(str(detail["type"]).split("_")[0]) or str(detail["msg"])
