#!/bin/sh
# Recurrence and its fading memory: the runs of the lecture, one after the other.
# Nothing is asked; PAUSE=10 waits longer between two of them.
set -eu

show() {
    printf '\n$ seqlab %s\n' "$*"
    seqlab "$@"
    sleep "${PAUSE:-3}"
}

# A sequence has any length, a matrix has one size
show unroll --hidden 12
# Training: unroll, then go back
show vanish --cells linear,rnn --radius 0.9 --radius 1.5
# What is true of the spectral radius
show vanish --cells rnn --radius 3 --input none --clip 1
# Do not remake the memory, add to it
show vanish --cells rnn,lstm --forget-bias 0
show vanish --cells lstm --forget-bias 5
# GRU: the same idea with fewer parts
show gates --quick
show recall --lags 3,40 --models rnn,lstm-0,lstm-1,lstm-chrono --seeds 1
show modes --quick --train-steps 200
