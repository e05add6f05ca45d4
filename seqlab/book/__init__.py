"""The textbook: one architecture a page, written as its equations.

A page is pure functions on arrays, in the symbols of the paper it cites. The same line runs on
NumPy arrays and on torch tensors, because pages speak only the verbs of `ops`. Parameters are
NamedTuples, weights apply as `x @ W`, and what is worth seeing (gates, states, attention weights)
is returned. Shapes use one vocabulary: b batch, t time, s source, d model width, h heads,
n patches, c channels or input features, p patch side.
"""
