"""What the reference reader says of an interval log and a percentile distribution, as JSON.

reference.py LOG.hlog TAG OUT.hgrm: percentiles of every tag, all intervals together; writes the
distribution of TAG, values divided by 1,000, to OUT.hgrm; and counts the samples up to each of the
values that come as lines on standard input.
"""

import bisect
import json
import sys

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

PERCENTILES = [50, 90, 99, 99.9, 99.99, 99.999]


def read(path):
    """A histogram for each tag."""
    reader = HistogramLogReader(path, HdrHistogram(1, 60_000_000_000, 3))
    tags, intervals = {}, 0
    while (interval := reader.get_next_interval_histogram()) is not None:
        intervals += 1
        tag = interval.get_tag() or ""
        if tag not in tags:
            tags[tag] = HdrHistogram(1, 60_000_000_000, 3)
        tags[tag].add(interval)
    return tags, intervals, reader.get_start_time_sec()


def counter(histogram):
    """A function that says how many samples do not exceed a value."""
    values, sums, total = [], [], 0
    for at in histogram.get_recorded_iterator():
        total += at.count_at_value_iterated_to
        values.append(at.value_iterated_to)
        sums.append(total)
    return lambda value: ([0] + sums)[bisect.bisect_right(values, value)]


def main():
    log, tag, distribution = sys.argv[1:]
    tags, intervals, start = read(log)
    with open(distribution, "wb") as out:
        tags[tag].output_percentile_distribution(out, 1_000)
    said = {
        name: {
            "samples": histogram.get_total_count(),
            "max": histogram.get_max_value(),
            "mean": histogram.get_mean_value(),
            "percentiles": [histogram.get_value_at_percentile(p) for p in PERCENTILES],
        }
        for name, histogram in tags.items()
    }
    up_to = counter(tags[tag])
    counts = [up_to(int(value)) for value in sys.stdin]
    json.dump({"intervals": intervals, "start": start, "tags": said, "counts": counts}, sys.stdout)


main()
