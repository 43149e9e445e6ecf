import assert from "node:assert/strict";
import { test } from "node:test";
import { diverging, inkOn, NEGATIVE, POSITIVE, sequential } from "../src/colour";
import { csv } from "../src/download";
import { percent, share, signed, visible } from "../src/format";
import { escaped } from "../src/picture";

test("numbers have a sign, a true minus, and no zero below zero", () => {
  assert.deepEqual([1.23456, -1.23456, 0, -0, -0.0001, 0.0001].map((value) => signed(value)), ["+1.235", "−1.235", "+0.000", "+0.000", "+0.000", "+0.000"]);
  assert.equal(signed(-12.5, 0), "−13");
  assert.equal(signed(-0.0006), "−0.001");
});

test("what is no number is no text, and what is not finite says so", () => {
  assert.deepEqual([signed(null), signed(NaN)], ["", ""]);
  assert.deepEqual([signed(Infinity), signed(-Infinity)], ["+Infinity", "−Infinity"]);
});

test("a share without anything to divide by is said to be undefined", () => {
  assert.deepEqual([share(NaN), share(0.5), share(null)], ["undefined", "+0.500", ""]);
});

test("a share that is not nothing is not said to be nothing", () => {
  assert.deepEqual([0, 0.0049, 0.005, 0.5, 1].map(percent), ["0 %", "< 1 %", "1 %", "50 %", "100 %"]);
});

test("what is not seen of a token is drawn", () => {
  assert.deepEqual([" the", "\n", "\t\t", " ", "", "\u00a0", "日本", "👩‍👩‍👧", " \n"].map(visible), [" the", "↵", "⇥⇥", "␣", "∅", "␣", "日本", "👩‍👩‍👧", " ↵"]);
});

test("colours are the palette's at its stops, and go no further", () => {
  const at = (theme: "light" | "dark") => [-1, -2 / 3, 0, 2 / 3, 1].map((t) => diverging(t, theme));
  assert.deepEqual(at("light"), ["#6b2c04", NEGATIVE, "#f7f7f7", POSITIVE, "#0f3f7a"]);
  assert.deepEqual(at("dark"), ["#ffdcc0", "#f08b45", "#24282e", "#4fa6de", "#cfe8fa"]);
  assert.deepEqual([diverging(-9, "light"), diverging(9, "light")], [diverging(-1, "light"), diverging(1, "light")]);
  assert.deepEqual([sequential(-1, "light"), sequential(0, "light"), sequential(1, "light")], ["#f7f7f7", "#f7f7f7", "#4b2a86"]);
});

test("between two stops each channel lies in proportion", () => {
  assert.equal(sequential(1 / 6, "light"), "#e1dded"); // half way from f7f7f7 to cbc3e3
});

test("ink is what contrasts more", () => {
  assert.deepEqual(["#ffffff", "#000000", "#f7f7f7", "#0f3f7a", "#777777"].map(inkOn), ["#222222", "#ffffff", "#222222", "#ffffff", "#ffffff"]);
});

test("cells of a file are quoted where they must be, and never run as a formula", () => {
  const rows = [["plain", 1.5, true, null], ["a,b", -2, false, 'say "x"'], ["two\nlines", 1e-12, NaN, "=1+1"], ["@x", "-y", "+z", "🙂"]];
  assert.equal(csv(["n", "x,y"], rows), [
    'n,"x,y"', "plain,1.5,true,", '"a,b",-2,false,"say ""x"""', '"two\nlines",1e-12,NaN,\'=1+1', "'@x,'-y,'+z,🙂", "",
  ].join("\r\n"));
  assert.equal(csv(["n"], []), "n\r\n");
});

test("text in SVG has nothing that XML cannot hold", () => {
  assert.equal(escaped("a\u0000b\ud800c\uffff<&>\"'"), "a\ufffdb\ufffdc\ufffd&lt;&amp;&gt;&quot;'");
  assert.equal(escaped("日本 🙂\n"), "日本 🙂\n");
});
