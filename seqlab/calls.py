"""A command line, understood: an experiment and its options, ready to be run.

    call = calls.parse(["vanish", "--steps", "50"])
    report = call.report(call.result())

Understanding runs nothing: what cannot be understood is known before anything is computed.
"""

import importlib
import inspect
import shlex
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer._click.exceptions import ClickException as ClickException  # what `parse` raises
from typer.core import TyperCommand, TyperGroup

from seqlab import catalogue
from seqlab.locale import N_, _, listed

if TYPE_CHECKING:
    from seqlab.emit import Look, Report
    from seqlab.lab import BadInput, Check, Question, Result, Watch

HELP_NAMES = ["-h", "--help"]
HELP = {"help_option_names": HELP_NAMES}

# What Typer says by itself of a command line.
_EXTRA = "got unexpected extra argument(s) {what}"
_TYPER = {
    "missing parameter: {what}": N_("argument {what} is missing"),
    "no such option: {what}": N_("no such option: {what}"),
    "option {what} requires an argument": N_("option {what} requires an argument"),
    "option {what} does not take a value": N_("option {what} does not take a value"),
    _EXTRA: N_("unexpected {what}: expected one argument at the most, several words in quotes"),
}
_NO_ARGUMENT = N_("unexpected {what}: expected options only")


def _look(
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
    """How it looks: the options of everything that draws."""


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
    predict: Annotated[
        bool,
        typer.Option("--predict", help=N_("First ask what will come out; on a terminal only.")),
    ] = False,
    detail: Annotated[
        bool, typer.Option("--detail", help=N_("Show what does not fit the first screen."))
    ] = False,
) -> None:
    """The options that every experiment has besides its own, --seed and those of a look."""


_LOOK = inspect.signature(_look).parameters
_COMMON = {**inspect.signature(_common).parameters, **_LOOK}


@dataclass(frozen=True)
class Call:
    """What a command line asks for."""

    experiment: catalogue.Experiment
    module: ModuleType
    options: Mapping[str, Any]  # those of the experiment's `run`
    texts: Collection[str]  # options whose `-` stands for standard input
    command: str  # the line that repeats this run
    seed_given: bool
    dressed: bool  # whether options were given that are those of every experiment, but --detail
    detail: bool
    check: bool
    predict: bool
    json: bool
    exports: Sequence[Path]
    look: "Look"

    @property
    def reads(self) -> bool:
        """Whether a text of it comes in at standard input."""
        return any(self.options[name] == "-" for name in self.texts)

    def read(self) -> "Call":
        """The same with what comes in at standard input in the place of `-`."""
        texts = {name: _standard_input(self.options[name]) for name in self.texts}
        return replace(self, options={**self.options, **texts})

    def result(self, watch: "Watch") -> "Result":
        """Run it."""
        takes_watch = "watch" in inspect.signature(self.module.run).parameters
        result: Result = self.module.run(
            **self.options, **({"watch": watch} if takes_watch else {})
        )
        return result

    def checks(self, watch: "Watch") -> "Sequence[Check]":
        """The comparisons with an oracle, where they were asked for."""
        if not self.check:
            return []
        watch(0.0, _("comparing with an oracle in torch"))
        checks: Sequence[Check] = self.module.check(**self.options)
        return checks

    def question(self, result: "Result") -> "Question":
        """What a class may predict before it sees the result."""
        question: Question = self.module.question(result)
        return question

    def report(self, result: "Result", checks: "Sequence[Check]" = ()) -> "Report":
        """All that any form of output derives from."""
        from seqlab.emit import Report

        return Report(
            experiment=self.experiment.name,
            command=self.command,
            seed=getattr(result, "seed", self.options["seed"]),  # a loaded network brings its own
            seed_given=self.seed_given,
            options=_in_force(self.options, result),
            result=result,
            figure=self.module.show(result, detail=self.detail),
            takeaways=self.module.takeaways(result),
            checks=checks,
        )


def command(experiment: catalogue.Experiment) -> TyperCommand:
    """The command of an experiment: the parameters of its `run`, and the common ones.

    What it returns is a :class:`Call`.
    """
    module = importlib.import_module(experiment.module)
    own = {n: p for n, p in inspect.signature(module.run).parameters.items() if n != "watch"}

    def call(ctx: typer.Context, **values: Any) -> Call:
        if values["check"] and not hasattr(module, "check"):
            from seqlab.lab import BadInput

            raise BadInput("--check", _("an experiment that has an oracle"), "--help")
        options = {n: values[n] for n in own}
        return Call(
            experiment,
            module,
            options,
            {p.name or "" for p in ctx.command.params if p.metavar == "TEXT"},
            _spelled(ctx, experiment.name, {*options, "detail"}),
            seed_given=_was_given(ctx, "seed"),
            dressed=any(_was_given(ctx, n) for n in _COMMON if n != "detail"),
            exports=values["export"] or [],
            look=_looking(values),
            **{n: values[n] for n in ("detail", "check", "predict", "json")},
        )

    return _built(experiment.name, call, inspect.getdoc(module), {**own, **_COMMON})


def tool(name: str, module: ModuleType) -> TyperCommand | TyperGroup:
    """The command of what is no experiment: the module's `run`, or a group of its COMMANDS.

    Each is a function of its own options and of `look`; it returns its exit status, or None for 0.
    What the command returns is this function with its options, still to be called.
    """
    if not hasattr(module, "COMMANDS"):
        return _function(name, module.run, inspect.getdoc(module))
    several: Any = {
        inner: _function(inner, function, inspect.getdoc(function))
        for inner, function in module.COMMANDS.items()
    }
    speaks = [p for p in next(iter(several.values())).params if p.name == "lang"]
    text = inspect.getdoc(module)
    return Group(name=name, commands=several, params=speaks, help=text, context_settings=HELP)


def _function(name: str, function: Callable[..., int | None], text: str | None) -> TyperCommand:
    own = {n: p for n, p in inspect.signature(function).parameters.items() if n != "look"}

    def call(ctx: typer.Context, **values: Any) -> Callable[[], int | None]:
        # to be called when Click is done, which makes a failure of a reader that has gone (| head)
        return partial(function, **{n: values[n] for n in own}, look=_looking(values))

    return _built(name, call, text, {**own, **_LOOK})


def _looking(values: Mapping[str, Any]) -> "Look":
    from seqlab.emit import Look

    return Look(values["color"], values["theme"], values["width"], values["ascii"])


def _built(
    name: str, call: Any, text: str | None, parameters: Mapping[str, inspect.Parameter]
) -> TyperCommand:
    """A command of Typer's that calls `call(ctx, **values)`."""
    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    keywords = [context, *parameters.values()]
    keywords = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in keywords]
    call.__signature__ = inspect.Signature(keywords)
    call.__annotations__ = {p.name: p.annotation for p in keywords}
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name, cls=Command, help=text, context_settings=HELP)(call)
    built = typer.main.get_command(single)
    assert isinstance(built, TyperCommand)
    return built


def parse(words: Sequence[str]) -> Call:
    """Understand the words behind `seqlab`: an experiment and its options.

    Raises:
        BadInput: it is no experiment's name, or asks for help.
        ClickException: its options are wrong; :func:`explained` says how.
    """
    name = words[0] if words else ""
    experiment = catalogue.find(name)
    if experiment is None:
        raise unknown(name, [e.name for e in catalogue.EXPERIMENTS])
    if set(words) & set(HELP_NAMES):
        from seqlab.lab import BadInput

        raise BadInput(shlex.join(words), _("an experiment to run"), f"seqlab {name}")
    built = command(experiment)
    call = built.main(list(words[1:]), prog_name=f"seqlab {name}", standalone_mode=False)
    assert isinstance(call, Call)
    return call


def unknown(name: str, names: Sequence[str], path: str = "seqlab") -> "BadInput":
    """What to say of a command that does not exist."""
    from seqlab.lab import BadInput

    close = get_close_matches(name, names, n=1)
    hint = f"{path} {close[0]}" if close else path
    wrong = _("no command {name}").format(name=repr(name))
    return BadInput(wrong, _("one of {names}").format(names=listed(names)), f"'{hint}'")


class Group(TyperGroup):
    """A command of several, such as `lecture play`, with help of our own."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        rest = super().parse_args(ctx, args)
        return rest if ctx._protected_args else super().parse_args(ctx, ["--help"])

    def format_help(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        from seqlab import emit, helping

        lines = {name: (inner.help or "").split("\n\n")[0] for name, inner in self.commands.items()}
        page = helping.group(ctx.command_path, self.help or "", lines, self.get_params(ctx))
        formatter.write(emit.rendered(page, ctx.obj))

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            raise unknown(args[0], list(self.commands), ctx.command_path)
        return super().resolve_command(ctx, args)


class Command(TyperCommand):
    """A command with help of our own: Typer's reads docstrings as markup."""

    def format_help(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        from seqlab import emit, helping

        page = helping.command(
            ctx.command_path, self.help or "", self.get_params(ctx), set(_COMMON)
        )
        formatter.write(emit.rendered(page, ctx.obj))


def _in_force(options: Mapping[str, Any], result: object) -> dict[str, Any]:
    """The options, with the value that the run chose for those that were left to it."""
    left = [n for n, value in options.items() if value in (None, "auto")]
    chosen = {n: getattr(result, n, None) for n in left}
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


def _spelled(ctx: typer.Context, experiment: str, told: Collection[str]) -> str:
    """The command line that repeats this run: arguments and every option that was given.

    Of the common options only --detail belongs to it: the others say how it looks, not what it is.
    """
    words, arguments = [], []
    for param in ctx.command.params:
        name = param.name or ""
        if name not in told or not _was_given(ctx, name):
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
    return shlex.join(["seqlab", experiment, *words])


def _number(value: float) -> str:
    """The shortest text that reads as `value` again."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


# What to say of bad input


def explained(problem: Any, help_command: str) -> "BadInput":
    """Of whatever refuses a command line: what was wrong, what was expected, what to try."""
    from seqlab.lab import BadInput

    if isinstance(problem, BadInput):
        return BadInput(problem.wrong, problem.expected, problem.hint or f"'{help_command}'")
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
        return BadInput(wrong, _expected(details[0], param), try_)
    text = (getattr(problem, "message", "") or str(problem)).rstrip(".")
    text = text[:1].lower() + text[1:]
    context = getattr(problem, "ctx", None)
    takes = context is None or any(p.param_type_name == "argument" for p in context.command.params)
    for pattern, sentence in (_TYPER if takes else {**_TYPER, _EXTRA: _NO_ARGUMENT}).items():
        before, after = pattern.split("{what}")
        if text.startswith(before) and text.endswith(after):
            text = _(sentence).format(what=text[len(before) : len(text) - len(after)])
            break
    # Typer's own possibilities take -- for a likeness
    options = {o.lstrip("-"): o for o in getattr(problem, "possibilities", None) or ()}
    asked = getattr(problem, "option_name", "").lstrip("-")
    close = [options[o] for o in get_close_matches(asked, options, n=1, cutoff=0.7)]
    return BadInput(text, "", *(close or [f"'{help_command}'"]))


def _expected(detail: Mapping[str, Any], param: Any) -> str:
    """What an option takes, from pydantic's account of why it did not take what it got."""
    from seqlab.helping import choices

    limits = detail.get("ctx", {})
    named = choices(param)
    if named:
        return _(" or ").join([listed(named[:-1]), named[-1]])
    if "ge" in limits:
        return _("at least {low}").format(low=limits["ge"])
    if "le" in limits:
        return _("at most {high}").format(high=limits["le"])
    kinds = {"int": _("a whole number"), "float": _("a number"), "bool": _("yes or no")}
    return kinds.get(str(detail["type"]).split("_")[0]) or str(detail["msg"])
