"""Databento: settlements of 30-day fed funds futures since June 2010, by its own client, with a key.

In: a contract (`ZQU24`; on CME Globex its raw symbol is `ZQU4`) and a range of settlement days. Out: the DBN
bytes as served (compressed by zstd) and, from them, rows in the columns of `raw.fed_funds_futures`. The
request is for the dataset GLBX.MDP3, schema `statistics`; used are the records of the type settlement price,
by the trading day that they refer to. Sources: https://databento.com/docs/schemas-and-data-formats/statistics
and, for the flags, https://databento.com/docs/venues-and-datasets/glbx-mdp3. Settings: `DATABENTO_API_KEY`,
and `ROTATION_DATABENTO_URL` for another gateway. The client is an extra (`requirements-databento.lock`); it
is called `databento` too, and is imported when something is fetched or read. Caveats: a raw symbol comes
again after ten years, so only the five years before a delivery are asked; Databento charges for what it
serves.
"""

from sources.databento.futures import DatabentoFutures

__all__ = ["DatabentoFutures"]
