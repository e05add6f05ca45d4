#!/bin/sh
# Attention: look back instead of remembering: the runs of the lecture, one after the other.
# Nothing is asked; PAUSE=10 waits longer between two of them.
set -eu

show() {
    printf '\n$ seqlab %s\n' "$*"
    seqlab "$@"
    sleep "${PAUSE:-3}"
}

# Everything through one vector
show align '3 May 1999' --quick
# Look back: a context for every output
show align --task reverse --quick --length 12 --train-steps 200
# Everywhere a little, or at one place?
show glimpse --quick --methods soft,reinforce,baseline
# Soft won. So let everything look at everything
show attend 'the cat sat on the mat' --query sat
show attend 'the cat sat on the mat' --layer 1 --head 2
show attend "The animal did not cross the street because it was too tired" --compare "The animal did not cross the street because it was too wide"
show position --no-train --encodings none,sinusoidal,rope,alibi,causal
# A set must be told its order
show attend 'the old king sat by the fire and the old' --next 5 --layer 2 --head 0
# A riddle: who told that head?
show induct
