import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attainableBy, performanceOf, share } from '@/lib/ml-monitoring';

/** `count` predictions of one kind. */
function judged(count: number, probability: number, actualOutcome: boolean | null) {
  return Array.from({ length: count }, () => ({ predictedStruggleProbability: probability, actualOutcome }));
}

test('each prediction is counted in its place, 0.5 says struggle, unknown outcomes are left out', () => {
  const performance = performanceOf([
    ...judged(6, 0.5, true),
    ...judged(2, 0.9, false),
    ...judged(8, 0.49, false),
    ...judged(4, 0.1, true),
    ...judged(9, 0.9, null),
  ]);
  assert.equal(performance.judged, 20);
  assert.deepEqual(
    [performance.truePositives, performance.falsePositives, performance.trueNegatives, performance.falseNegatives],
    [6, 2, 8, 4],
  );
  assert.equal(performance.accuracy?.value, 14 / 20);
  assert.equal(performance.precision?.value, 6 / 8);
  assert.equal(performance.recall?.value, 6 / 10);
});

test('nothing judged gives no figure and no alarm, rather than NaN', () => {
  const performance = performanceOf(judged(5, 0.9, null));
  assert.deepEqual([performance.accuracy, performance.precision, performance.recall], [null, null, null]);
  assert.deepEqual(performance.alerts, []);
});

test('a few bad outcomes ring no alarm, many do', () => {
  assert.deepEqual(performanceOf([...judged(2, 0.9, false), ...judged(1, 0.9, true)]).alerts, []);
  assert.deepEqual(performanceOf([...judged(200, 0.9, false), ...judged(100, 0.9, true)]).alerts, [
    'accuracy is 33.3 % of 300, below its target of 75.0 %',
  ]);
  assert.match(performanceOf([...judged(300, 0.1, false), ...judged(60, 0.1, true)]).alerts.join(), /^recall is 0.0 %/);
});

test('a target that calibrated probabilities would miss too is out of reach, and no alarm', () => {
  // True to their probabilities: 30 % of 1,000 at 0.3 struggle, and 60 % of 500 at 0.6.
  const calibrated = [...judged(300, 0.3, true), ...judged(700, 0.3, false), ...judged(300, 0.6, true), ...judged(200, 0.6, false)];
  const performance = performanceOf(calibrated);
  assert.equal(performance.recall?.value, 0.5);
  assert(Math.abs((performance.attainable.recall ?? 0) - 0.5) < 1e-9);
  assert.deepEqual(performance.alerts, []);
  assert.deepEqual(performance.outOfReach, [
    'accuracy is 66.7 % of 1500, below its target of 75.0 %, where calibrated probabilities would give 66.7 %',
    'recall is 50.0 % of 600, below its target of 70.0 %, where calibrated probabilities would give 50.0 %',
  ]);
});

test('a figure proven to be below what calibrated probabilities give is an alarm, whatever is in reach', () => {
  // 280 struggles are said in both groups together, and 280 come; but half of those at 0.8 come where 80 % should.
  const missing = performanceOf([...judged(230, 0.4, true), ...judged(270, 0.4, false), ...judged(50, 0.8, true), ...judged(50, 0.8, false)]);
  assert.match(missing.alerts.join('; '), /recall is 17.9 % of 280, below its target of 70.0 %, where calibrated probabilities would give 28.6 %/);
  assert.deepEqual(missing.outOfReach, []);
});

test('what is attainable is divided by nothing where there is nothing', () => {
  assert.deepEqual(attainableBy([]), { accuracy: null, precision: null, recall: null });
  assert.deepEqual(attainableBy([0.25, 0.25]), { accuracy: 0.75, precision: null, recall: 0 });
});

test("Wilson's interval, against published values", () => {
  // Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
  for (const [hits, of, low, high] of [[81, 263, 0.2553, 0.3662], [15, 148, 0.0624, 0.1605], [0, 20, 0, 0.1611], [1, 29, 0.0061, 0.1718]] as const) {
    const measured = share(hits, of);
    assert(measured !== null);
    assert(Math.abs(measured.interval[0] - low) < 1e-4, `${measured.interval}`);
    assert(Math.abs(measured.interval[1] - high) < 1e-4, `${measured.interval}`);
  }
  assert.equal(share(0, 0), null);
});
