"""Figures: Rich renderables of plain arrays and labels.

A figure knows nothing of experiments. It measures itself, fits any width from 40 columns up,
and draws in truecolor, 256 or 16 colours, without colour, and in 7-bit ASCII: it asks the
console that renders it. Every module runs alone as its own demonstration, for example

    python -m seqlab.figures.curves
"""
