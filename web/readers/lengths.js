// Lengths of microscope files in nm, as files/calibration.py has them; null for what is no length.

const SYMBOLS = { m: 1e9, mm: 1e6, um: 1e3, "\u00b5m": 1e3, "\u03bcm": 1e3, nm: 1, pm: 1e-3, fm: 1e-6, "\u00c5": 0.1, "\u212b": 0.1, A: 0.1, Ang: 0.1 };
const WORDS = { meter: 1e9, metre: 1e9, millimeter: 1e6, millimetre: 1e6, micrometer: 1e3, micrometre: 1e3, micron: 1e3, nanometer: 1, nanometre: 1, angstrom: 0.1, "\u00e5ngstr\u00f6m": 0.1, picometer: 1e-3, picometre: 1e-3 };

export function lengthNm(value, unit) {
  const text = unit.replace(/\\u([0-9a-fA-F]{4})/g, (_, code) => String.fromCharCode(parseInt(code, 16))).trim().replace(/^\[|\]$|_/g, "");
  const nm = value * (SYMBOLS[text] ?? WORDS[text.toLowerCase().replace(/s$/, "")] ?? NaN);
  return nm > 0 && nm < Infinity ? nm : null;
}
