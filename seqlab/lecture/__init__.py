"""Lectures: scripted demonstrations, made of words, of seqlab's commands, and of questions.

script.py     the format: a TOML file of steps, and what is wrong with one
stage.py      a step as screens: what the class sees of it, one after the other
player.py     in front of a class, by keys; notes for the speaker in a second terminal
checker.py    before the class: every step run and timed, its screens kept in case it fails
recorder.py   instead of a class: the same screens as a file that plays, or that prints
"""
