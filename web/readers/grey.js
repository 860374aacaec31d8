// Grey values from colour images, as files/grey.py has them: detectors are grey, colour came with an export.

const NEARLY_GREY = 0.02, REC_601 = [0.299, 0.587, 0.114];

// samples: (pixels, channels) of 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha) channels of whole numbers.
export function toGrey(samples, channels) {
  const count = samples.length / channels, Kind = samples.constructor, full = 2 ** (8 * Kind.BYTES_PER_ELEMENT) - 1;
  let apart = 0;
  for (let i = 0; channels > 2 && i < samples.length; i += channels) {
    const [r, g, b] = [samples[i], samples[i + 1], samples[i + 2]];
    apart = Math.max(apart, Math.max(r, g, b) - Math.min(r, g, b));
  }
  if (!apart) return Kind.from({ length: count }, (_, i) => samples[i * channels]);
  const weights = apart <= NEARLY_GREY * full ? [1 / 3, 1 / 3, 1 / 3] : REC_601;
  return Float32Array.from({ length: count }, (_, i) => weights.reduce((sum, weight, c) => sum + weight * samples[i * channels + c], 0));
}
