"""Kernels for a GPU: activations, time loops and convolutions, in place of a call an operation.

The .cu and .cuh files are CUDA C++, which HIP reads as well. compiler.py says what compiles them,
kernels.py loads them and lays out what they are given; activations.py, convolution.py, layers.py
and feedforward.py stand in for the engine's own, steps.py where a time loop does not fit a kernel;
squares.py and transfers.py measure for the host.
Nothing here is imported before a device is open.
"""
