import assert from "node:assert/strict";
import { test } from "node:test";
import { at, meanOverExamples, row } from "../src/data/tensor";
import { tensor } from "./made";

const counted = tensor([...Array(24).keys()], 2, 3, 4);

test("an index is read in row-major order", () => {
  assert.equal(at(counted, 0, 0, 0), 0);
  assert.equal(at(counted, 1, 2, 3), 23);
  assert.equal(at(counted, 1, 0, 2), 14);
  assert.equal(at(tensor([7])), 7);
});

test("there is no number beyond the last", () => {
  assert.equal(at(counted, 2, 0, 0), NaN);
  assert.equal(at(tensor([], 0, 3), 0, 0), NaN);
});

test("a row has the axes that are left, and agrees with the index", () => {
  const second = row(counted, 1);
  assert.deepEqual(second.shape, [3, 4]);
  assert.equal(at(second, 2, 1), at(counted, 1, 2, 1));
  assert.deepEqual([...row(tensor([5, 6], 2), 1).values], [6]);
  assert.equal(row(tensor([], 2, 0), 1).values.length, 0);
});

test("positions are added up, examples averaged", () => {
  // two examples, two positions, three columns
  const values = tensor([1, 0, 2, 3, 0, 4, 5, 0, 6, 7, 0, NaN], 2, 2, 3);
  assert.deepEqual(meanOverExamples(values, 3), [8, 0, NaN]);
  assert.deepEqual(meanOverExamples(tensor([], 0, 3), 3), [0, 0, 0]);
});
