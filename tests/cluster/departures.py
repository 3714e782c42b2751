"""Where Trimtab departs from what Flagger did in the channels that only a cluster has; the others are in `machine/departures.py`."""

from machine.departures import Departure

OF_THE_CLUSTER: tuple[Departure, ...] = ()
