"""Kernels for a GPU: activations and time loops, in place of one library call an operation.

The .cu and .cuh files are CUDA C++, which HIP reads as well. compiler.py says what compiles them,
kernels.py loads them and lays out what they are given, activations.py and layers.py stand in for
the engine's own. Nothing here is imported before a device is open.
"""
