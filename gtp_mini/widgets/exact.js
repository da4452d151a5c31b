// The exact flow map of a Gaussian mixture (gtp_mini.exact), so that truth can be dragged beside what was learned.

const LAST_LEVEL = 1e-3; // below it the rest of the way to 0 is the denoiser's
const LOG_STEP = 0.25; // length of a Runge-Kutta step in ln t: errors of about 1e-4, far below a pixel

// E[x_0 | x_t]: the components' denoisers, averaged with the posterior weights of the components. Two dimensions.
export function denoiseMixture(model, x, t) {
  const out = new Float64Array(x.length);
  const variance = model.stds.map((s) => s * s + t * t);
  const log = model.weights.map((w, k) => Math.log(w) - Math.log(variance[k]));
  const logits = new Float64Array(model.weights.length);
  for (let i = 0; i < x.length; i += 2) {
    let top = -Infinity, sum = 0, a = 0, b = 0;
    model.means.forEach(([mx, my], k) => {
      logits[k] = log[k] - ((x[i] - mx) ** 2 + (x[i + 1] - my) ** 2) / (2 * variance[k]);
      top = Math.max(top, logits[k]);
    });
    model.means.forEach(([mx, my], k) => {
      const p = Math.exp(logits[k] - top), shrink = model.stds[k] ** 2 / variance[k];
      sum += p;
      a += p * (mx + shrink * (x[i] - mx));
      b += p * (my + shrink * (x[i + 1] - my));
    });
    out[i] = a / sum;
    out[i + 1] = b / sum;
  }
  return out;
}

// Phi(x, t, s) by Runge-Kutta steps (4th order) of dx / d ln t = x - E[x_0 | x_t].
export function mixtureFlowMap(model, x, t, s) {
  const stop = Math.max(s, Math.min(t, LAST_LEVEL)), length = Math.log(stop / t);
  const steps = Math.ceil(-length / LOG_STEP), h = length / Math.max(steps, 1);
  const field = (y, level) => denoiseMixture(model, y, level).map((d, i) => y[i] - d);
  const move = (y, slope, by) => y.map((v, i) => v + by * slope[i]);
  for (let k = 0; k < steps; k++) {
    const level = t * Math.exp(k * h), middle = level * Math.exp(h / 2), next = level * Math.exp(h), y = x;
    const k1 = field(y, level), k2 = field(move(y, k1, h / 2), middle);
    const k3 = field(move(y, k2, h / 2), middle), k4 = field(move(y, k3, h), next);
    x = y.map((v, i) => v + (h / 6) * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]));
  }
  return s < stop ? denoiseMixture(model, x, stop) : x;
}
