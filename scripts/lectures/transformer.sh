#!/bin/sh
# Transformer and ViT: nothing but attention, on words and on pictures: the runs of the lecture, one after the other.
# Nothing is asked; PAUSE=10 waits longer between two of them.
set -eu

show() {
    printf '\n$ seqlab %s\n' "$*"
    seqlab "$@"
    sleep "${PAUSE:-3}"
}

# One thing was left over
show reach --models rnn,causal,attention
# Self-attention: the sentence asks itself
show attend "The animal did not cross the street because it was too tired" --layer 1 --head 2 --query it
show attend "the cat sat on the mat and the cat" --overview
# What was won, and what is paid
show cost --no-measure --layers lstm,attention
# Something got lost: order
show position --encodings none,learned,causal --seeds 1
# And now a picture
show patchify
show classify --quick
# Inductive bias: what is assumed beforehand
show bias --models cnn,mlp,vit --images 50,200,1400 --seeds 1 --train-steps 250
# ViT and CNN, told honestly
show bias --test lookup --quick
