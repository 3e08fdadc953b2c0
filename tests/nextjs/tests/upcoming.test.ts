import assert from 'node:assert/strict';
import { test } from 'node:test';
import { riskLevel, riskLevelBy, thresholdsOf } from '@/lib/risk';
import { adviceOf, changeOf, daysBetween, factorsOf, inDays, objectiveIds, withoutData } from '@/lib/upcoming';

test('a mission names its objectives in either form; anything else is passed over', () => {
  const entries = [{ objectiveId: 'a' }, { objective: { id: 'b' } }, {}, null, 'c', { objectiveId: 4 }, { objective: null }];
  assert.deepEqual(objectiveIds(entries), ['a', 'b']);
  for (const broken of [null, undefined, {}, 'a', 3]) assert.deepEqual(objectiveIds(broken), []);
});

test('features without data are counted in a stored vector', () => {
  assert.equal(withoutData({ ability: 0.5, defaulted: ['ability', 'retention_score'] }), 2);
  for (const none of [null, undefined, {}, 'x', [], { defaulted: 'ability' }]) assert.equal(withoutData(none), 0);
});

test('the sentences of advice are taken from a stored vector', () => {
  assert.deepEqual(adviceOf({ advice: [{ text: 'one' }, { text: 2 }, null, { text: 'two' }] }), ['one', 'two']);
  for (const none of [null, undefined, {}, 'x', { advice: null }, { advice: 'x' }]) assert.deepEqual(adviceOf(none), []);
});

test('the words of a change are taken from a stored vector', () => {
  assert.equal(changeOf({ change: { text: '3 points more' } }), '3 points more');
  for (const none of [null, undefined, {}, 'x', { change: null }, { change: { text: 5 } }]) assert.equal(changeOf(none), null);
});

test('only factors are taken from a stored column', () => {
  const factor = { feature: 'retention_score', value: null, contribution: 0.5, text: 'low retention' };
  assert.deepEqual(factorsOf([factor, {}, null, 'x', { ...factor, contribution: '1' }]), [factor]);
  assert.deepEqual(factorsOf([{ ...factor, points: 0.1 }]), [{ ...factor, points: 0.1 }]);
  assert.deepEqual(factorsOf({ retention_score: 0.2 }), []);
});

test("the platform's thresholds", () => {
  assert.deepEqual([0, 0.3999, 0.4, 0.6999, 0.7, 1].map(riskLevel), ['LOW', 'LOW', 'MEDIUM', 'MEDIUM', 'HIGH', 'HIGH']);
});

test('a stored prediction has the level by which it was told', () => {
  const stored = { ability: 0.5, levels: { medium_from: 0.3, high_from: 0.8, operating_threshold: 0.35, from: 'levels.json' } };
  assert.deepEqual([0.29, 0.3, 0.75, 0.8].map((each) => riskLevelBy(thresholdsOf(stored), each)), ['LOW', 'MEDIUM', 'MEDIUM', 'HIGH']);
  for (const none of [null, undefined, {}, 'x', { levels: null }, { levels: { medium_from: '0.3', high_from: 0.8 } }]) {
    assert.deepEqual(thresholdsOf(none), { medium: 0.4, high: 0.7 });
  }
});

test('days are those of the calendar: an exam this evening is today, one tomorrow morning is tomorrow', () => {
  const now = new Date('2025-10-16T09:00:00Z');
  const days = ['2025-10-16T00:00:00Z', '2025-10-16T17:00:00Z', '2025-10-17T08:00:00Z', '2025-10-23T09:00:00Z'];
  assert.deepEqual(days.map((day) => daysBetween(now, new Date(day))), [0, 0, 1, 7]);
});

test('days in words', () => {
  assert.deepEqual([-1, 0, 1, 7].map(inDays), ['today', 'today', 'tomorrow', 'in 7 days']);
});
