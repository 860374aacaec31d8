"""CPU time of the fields (displacement, strain, rotation) of a map, beside that of the map itself.

    python benchmarks/speed/fields.py MODEL [--side 512]

One thread, best of ten in CPU time, on a simulated frame; `share` is the fields' time over the map's (target: 10 %).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from shiftvae_rt import LatentMapper
from shiftvae_rt.kernels.lattice_fields import FieldStream
from shiftvae_rt.simulator import Microscope


def best_ms(run: Callable[[], object], rounds: int = 10) -> float:
    times = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        times.append(1e3 * (time.process_time() - start))
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--side", type=int, default=512)
    options = parser.parse_args()
    frame = Microscope(shape=(options.side, options.side)).frame(0).pixels
    print("stride  map ms  fields ms  share")
    for stride in (1, 2, 4, 8):
        mapper = LatentMapper(options.model, stride=stride)
        found = mapper.map(frame)
        if found.lattice is None:
            raise SystemExit(f"{options.model} has no lattice of two vectors, so its maps have no fields")
        mapping = best_ms(lambda mapper=mapper: mapper.map(frame))
        fields = best_ms(lambda m=found: FieldStream(m.grid, m.lattice).push(m.mean[:2], m.std[:2]))
        print(f"{stride:6d}  {mapping:6.2f}  {fields:9.2f}  {fields / mapping:5.1%}")


if __name__ == "__main__":
    main()
