"""The list of experiments, by stage of the course. It imports nothing heavy: `--help` reads it."""

from typing import NamedTuple

from seqlab.locale import N_


class Experiment(NamedTuple):
    """A command: its name, the stage of the course it belongs to, and what the class will see."""

    name: str
    stage: int
    line: str

    @property
    def module(self) -> str:
        """Where it lives."""
        return f"seqlab.lab.{self.name}"


class Tool(NamedTuple):
    """A command that is no experiment: its name, and what it is for."""

    name: str
    line: str

    @property
    def module(self) -> str:
        """Where it lives."""
        return f"seqlab.tools.{self.name}"


STAGES = {
    1: N_("Recurrence: one cell, many steps, and a fading memory"),
    2: N_("Attention: look back instead of remembering"),
    3: N_("Transformer and ViT: nothing but attention, on words and on pictures"),
    4: N_("Swin, Mixer, and what it all means"),
}

EXPERIMENTS = (
    Experiment("unroll", 1, N_("one cell reads a text, with the same weights at every step")),
    Experiment("vanish", 1, N_("the gradient's norm dies, or explodes, on its way back in time")),
    Experiment("gates", 1, N_("an LSTM's gates at work: hold, let go, count brackets")),
    Experiment("recall", 1, N_("who still remembers a symbol L steps later")),
    Experiment("modes", 1, N_("the four wirings of a recurrent network, each trained on its task")),
    Experiment("align", 2, N_("all through one vector, or attention: what comes out")),
    Experiment("glimpse", 2, N_("soft against hard attention: look everywhere, or at one place")),
    Experiment("attend", 2, N_("who looks at whom, in every head of a trained model")),
    Experiment("position", 2, N_("which token came first? positions compared, and trained")),
    Experiment("induct", 2, N_("an induction head forms: the network learns to copy")),
    Experiment("cost", 2, N_("what a layer costs: operations counted, time measured")),
    Experiment("patchify", 3, N_("a picture becomes a sentence of patches")),
    Experiment("classify", 3, N_("a ViT learns to read digits, then reads yours")),
    Experiment("reach", 4, N_("who can hear whom: every architecture, layer by layer")),
    Experiment("windows", 4, N_("attention in windows: what it saves, and how shifted ones talk")),
    Experiment("mix", 4, N_("a Mixer's two halves: who answers whom, what each is worth")),
    Experiment("bias", 4, N_("what each architecture takes for granted, and what that is worth")),
)


def find(name: str) -> Experiment | None:
    """The experiment called `name`, if there is one."""
    return next((e for e in EXPERIMENTS if e.name == name), None)


TOOLS = (
    Tool("lecture", N_("a lecture of such commands: play it, check it, record it")),
    Tool("explain", N_("a topic on one screen: the idea, the equation, what to try")),
    Tool("quiz", N_("questions on the course, answered by running it")),
    Tool("source", N_("the page of equations, or the experiment, as it runs")),
)


def commands() -> dict[str, str]:
    """The names of all commands, each with what it shows or is for."""
    return {e.name: e.line for e in EXPERIMENTS} | {t.name: t.line for t in TOOLS}


def find_tool(name: str) -> Tool | None:
    """The tool called `name`, if there is one."""
    return next((t for t in TOOLS if t.name == name), None)
