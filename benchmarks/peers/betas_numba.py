"""Least squares with Newey-West errors over every window, by a loop: what numba makes of the textbook."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@numba.njit
def every_window(regressors: Floats, response: Floats, weights: Floats, shortest: int, lags: int) -> Floats:
    """Slopes, standard errors and t statistics of the windows that end on each row, from `shortest` rows on.

    Args:
        regressors: rows x (1 + factors), the first the intercept.
        response: of each row.
        weights: of a window's rows, the newest last; their number is the window's length.
        shortest: rows of the first window.
        lags: of the Bartlett kernel.

    Returns:
        windows x factors x 3.
    """
    rows, size = regressors.shape
    longest = len(weights)
    out = np.empty((rows - shortest + 1, size - 1, 3))
    scores = np.empty((longest, size))
    for end in range(shortest, rows + 1):
        first = max(end - longest, 0)
        length = end - first
        square, cross = np.zeros((size, size)), np.zeros(size)
        for row in range(first, end):
            weight = weights[longest - end + row]
            for i in range(size):
                cross[i] += weight * regressors[row, i] * response[row]
                for j in range(i + 1):
                    square[i, j] += weight * regressors[row, i] * regressors[row, j]
        for i in range(size):
            for j in range(i):
                square[j, i] = square[i, j]
        inverse = np.linalg.inv(square)
        beta = inverse @ cross
        for row in range(length):
            residual = response[first + row]
            for i in range(size):
                residual -= regressors[first + row, i] * beta[i]
            residual *= weights[longest - length + row]
            for i in range(size):
                scores[row, i] = regressors[first + row, i] * residual
        # The Bartlett sum is that of the squares of sums over lags + 1 scores, zeros beyond both ends.
        middle, recent = np.zeros((size, size)), np.zeros(size)
        for row in range(length + lags):
            for i in range(size):
                if row < length:
                    recent[i] += scores[row, i]
                if row > lags:
                    recent[i] -= scores[row - lags - 1, i]
            for i in range(size):
                for j in range(i + 1):
                    middle[i, j] += recent[i] * recent[j]
        for i in range(size):
            for j in range(i):
                middle[j, i] = middle[i, j]
        middle /= lags + 1.0
        covariance = inverse @ middle @ inverse
        for i in range(1, size):
            error = np.sqrt(covariance[i, i])
            out[end - shortest, i - 1, 0] = beta[i]
            out[end - shortest, i - 1, 1] = error
            out[end - shortest, i - 1, 2] = beta[i] / error
    return out
