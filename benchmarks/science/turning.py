"""Rotation and scale on isolated features whose truth is known, through the exported model file, on three seeds for the
two kinds with targets, on one for the others.

python benchmarks/science/turning.py

The scan of the training and the next one are scored side by side. The limit is a least-squares fit of the true motif to
the pixels of the next scan: position, angle, size, height and background of each feature, and the brightness of its
arm. Exits with 1 if a target is missed.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from family import exported
from scipy.optimize import least_squares
from tables import add_options, last_details, publish, show
from turning_features import TurningScan, column_image, turning_scan

from shiftvae_rt import LatentMapper
from shiftvae_rt.frame import as_pixels
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.train import train

STEPS, STRIDE = 1500, 2
#: Targets on the next scan at 100 counts: turn in degrees, linear R2 of the arm, size in per cent, CPU s.
MOST_TURN, LEAST_R2, LEAST_R2_GROWS, MOST_SIZE, MOST_CPU_S = 1.5, 0.95, 0.94, 2.0, 60.0

Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A kind of features, and what the model allows for."""

    name: str
    turns: bool
    grows: bool
    counts: float = 100.0
    fold: int = 1
    seeds: int = 1

    @property
    def settings(self) -> Settings:
        plain = Settings(steps=STEPS, window=28, content=1, shift="planar", scale=self.grows)
        return replace(plain, rotation=self.fold if self.turns else 0)

    def scan(self, seed: int) -> TurningScan:
        return turning_scan(seed, turns=self.turns, grows=self.grows, counts=self.counts, fold=self.fold)


CASES = (
    Case("rotation", turns=True, grows=False, seeds=3),
    Case("rotation and scale", turns=True, grows=True, seeds=3),
    Case("scale", turns=False, grows=True),
    Case("rotation, three-fold", turns=True, grows=False, fold=3),
    Case("rotation, 25 counts", turns=True, grows=False, counts=25.0),
    Case("rotation, 10 counts", turns=True, grows=False, counts=10.0),
)


def score_case(case: Case, seed: int, steps: int) -> list[Row]:
    """Scores of one training: on its own scan, on the next, and the limit there."""
    scans = {"training": case.scan(2 * seed), "next": case.scan(2 * seed + 1)}
    frame = as_pixels(scans["training"].pixels)
    trained = train([frame], replace(case.settings, steps=steps, seed=seed))
    mapper = exported(trained, [frame], stride=STRIDE)
    rows: list[Row] = []
    for name, scan in scans.items():
        latents, std = read_features(mapper, scan)
        scores = score_features(latents, scan, case)
        covered = coverage(latents, std, scan, case)
        about = {"case": case.name, "seed": seed, "scan": name, "cpu s": round(trained.seconds, 1)}
        rows.append(about | scores | covered)
    limit = score_features(fit_truth(scans["next"], case), scans["next"], case)
    rows.append({"case": case.name, "seed": seed, "scan": "limit", "cpu s": ""} | limit | {"within 1 sd": ""})
    return rows


def read_features(mapper: LatentMapper, scan: TurningScan) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Latents and deviations at the window nearest to each feature; ``y`` and ``x`` are positions in the frame, px."""
    found = mapper.map(scan.pixels)
    rows, cols = (
        np.abs(scan.position_px[:, axis, None] - centres).argmin(1)
        for axis, centres in enumerate((found.centre_y_px, found.centre_x_px))
    )
    at = dict(zip(found.names, found.mean[:, rows, cols].astype(float), strict=True))
    std = dict(zip(found.names, found.std[:, rows, cols].astype(float), strict=True))
    at |= {"y": found.centre_y_px[rows] + at["dy"], "x": found.centre_x_px[cols] + at["dx"]}
    return at, std


def score_features(at: dict[str, np.ndarray], scan: TurningScan, case: Case) -> Row:
    """Errors after the gauges that no model determines: one angle, one mean size, one origin in the motif's frame."""
    row: Row = {"turn, deg rms": "", "size, % rms": ""}
    if "phi" in at:
        row["turn, deg rms"] = round(float(np.sqrt((off_in_turn(at["phi"], scan, case) ** 2).mean())), 2)
    if "scale" in at:
        row["size, % rms"] = round(float((at["scale"] - scan.growth_percent).std()), 2)
    row["shift px"] = round(_shift_error(at, scan), 3)
    design = np.stack([*(v for n, v in at.items() if n[0] == "z"), np.ones(len(scan.arm))], axis=1)
    left = scan.arm - design @ np.linalg.lstsq(design, scan.arm, rcond=None)[0]
    row["arm, linear R2"] = round(float(1 - left.var() / scan.arm.var()), 3)
    return row


def off_in_turn(angle: np.ndarray, scan: TurningScan, case: Case) -> np.ndarray:
    """Errors of angles in degrees, modulo the symmetry, after one global offset."""
    off = np.exp(1j * case.fold * np.radians(angle - scan.turn_deg))
    return np.degrees(np.angle(off / off.mean())) / case.fold


def coverage(at: dict[str, np.ndarray], std: dict[str, np.ndarray], scan: TurningScan, case: Case) -> Row:
    """Share of the angles, or else of the sizes, within one reported deviation; 0.68 is nominal."""
    if "phi" in at:
        within = np.abs(off_in_turn(at["phi"], scan, case)) < std["phi"]
    else:
        off = at["scale"] - scan.growth_percent
        within = np.abs(off - off.mean()) < std["scale"]
    return {"within 1 sd": round(float(within.mean()), 2)}


def _shift_error(at: dict[str, np.ndarray], scan: TurningScan) -> float:
    """Rms error of the position per axis, px, after a fit of the motif's origin."""
    off = np.stack([at["y"], at["x"]], axis=1) - scan.position_px
    angle, size = np.radians(scan.turn_deg), 1 + scan.growth_percent / 100
    cosine, sine = size * np.cos(angle), size * np.sin(angle)
    design = np.concatenate([np.stack([cosine, -sine], 1), np.stack([sine, cosine], 1)])
    wanted = np.concatenate([off[:, 0], off[:, 1]])
    left = wanted - design @ np.linalg.lstsq(design, wanted, rcond=None)[0]
    return float(np.sqrt((left**2).mean()))


def fit_truth(scan: TurningScan, case: Case) -> dict[str, np.ndarray]:
    """Least-squares fit of the true motif to the pixels within 14 px of each feature, from the true values."""
    found = []
    for place, turn, growth, arm in zip(scan.position_px, scan.turn_deg, scan.growth_percent, scan.arm, strict=True):
        corner = np.maximum(np.rint(place).astype(int) - 14, 0)
        seen = scan.pixels[corner[0] : corner[0] + 29, corner[1] : corner[1] + 29].astype(float)
        y, x = np.mgrid[: seen.shape[0], : seen.shape[1]]
        disc = np.hypot(y + corner[0] - place[0], x + corner[1] - place[1]) <= 13.3
        level = float(seen[disc].max())

        def misfit(p: np.ndarray, seen: np.ndarray = seen, disc: np.ndarray = disc, corner: np.ndarray = corner) -> Any:
            angle = p[2] if case.turns else 0.0
            factor = np.exp(p[3]) if case.grows else 1.0
            y, x = np.nonzero(disc)
            drawn = column_image(y + corner[0] - p[0], x + corner[1] - p[1], angle, factor, p[4], fold=case.fold)
            return p[5] + p[6] * drawn - seen[disc]

        start = [*place, np.radians(turn), np.log1p(growth / 100), arm, 0.13 * level, 0.8 * level]
        found.append(least_squares(misfit, start, method="lm").x)
    fits = np.array(found).T
    latents = {"y": fits[0], "x": fits[1], "z1": fits[4]}
    latents |= {"phi": np.degrees(fits[2])} if case.turns else {}
    return latents | ({"scale": 100 * np.expm1(fits[3])} if case.grows else {})


def missed(rows: list[Row]) -> list[str]:
    """Targets that the next scans miss, at 100 counts."""
    found = []
    for row in rows:
        if row["scan"] != "next" or "counts" in row["case"]:
            continue
        least = LEAST_R2_GROWS if "scale" in row["case"] else LEAST_R2
        wrong = {
            "turn": row["turn, deg rms"] != "" and row["turn, deg rms"] > MOST_TURN,
            "size": row["size, % rms"] != "" and row["size, % rms"] > MOST_SIZE,
            "arm": row["arm, linear R2"] < least,
            "CPU time": row["cpu s"] > MOST_CPU_S,
        }
        found += [f"{row['case']}, seed {row['seed']}: {name}" for name, is_wrong in wrong.items() if is_wrong]
    return found


ABOUT = f"""\
`benchmarks/science/turning.py`: 144 isolated features of three columns (of four for the three-fold ones), turned by
any angle, larger or smaller by up to 18 %, the brightness of one column the order parameter; 100 counts at the bright
column unless said otherwise; window 28 px, {STEPS} steps. The model of the *training*
scan is scored on it and on the *next* one, at the window nearest to each feature (stride {STRIDE}). The turn is
compared after one global offset, the size after its mean, the position after one origin in the motif's own frame; the
model determines none of these three. *Within 1 sd*: share of the angles, or else sizes, within one reported deviation
(nominal 0.68). *Limit*: least-squares fit of the true motif to the pixels of each feature on the next scan, started
from the truth."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    names = [case.name for case in CASES]
    parser.add_argument("--case", action="append", choices=names, help="run this one; others keep their last rows")
    options = parser.parse_args()
    torch.set_num_threads(1)
    chosen = options.case or (names[:1] if options.quick else names)
    rows: list[Row] = []
    for case in CASES:
        for seed in range(1 if options.quick else case.seeds) if case.name in chosen else ():
            for row in score_case(case, seed, 800 if options.quick else STEPS):
                rows.append(row)
                show(rows)
    kept = [row for row in last_details("turning") if row["case"] not in chosen]
    rows = sorted([*kept, *rows], key=lambda row: names.index(row["case"]))
    wrong = missed(rows)
    met = (
        "All targets at 100 counts are met on the next scans (1.5 degrees, R2 0.95 or with size 0.94, size 2 %, 60 s)."
    )
    verdict = f"Missed: {'; '.join(wrong)}." if wrong else met
    print(verdict)
    if options.write:
        publish("turning", "Rotation and scale", about=ABOUT, rows=rows, verdict=verdict)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
