import { canvas } from "./page";
import assert from "node:assert/strict";
import { test } from "node:test";
import { canvasPen, clip, svgPen } from "../src/parts/pen";

test("a text is cut to its room, by letters and not by halves of them", () => {
  const pen = canvasPen(canvas() as never); // letters are ten wide
  assert.equal(clip(pen, "token", 50), "token");
  assert.equal(clip(pen, "token", 49), "tok…");
  assert.equal(clip(pen, "🙂🙂🙂🙂", 30), "🙂🙂…");
  assert.equal(clip(pen, "token", 19), "");
  assert.equal(clip(pen, "", 0), "");
});

test("strokes become the elements of one SVG file", () => {
  const { pen, file } = svgPen();
  pen.rect(1, 2.005, 3, 4, "#ffffff");
  pen.frame(0, 0, 5, 6, "red");
  pen.lines([[0, 1, 2, 3], [4, 5, 6, 7]], "blue", 0.28);
  pen.text("x", 1.23456, 2, "black", "right");
  const svg = file(10, 20.5);
  assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" width="10" height="20.5" viewBox="0 0 10 20.5"/);
  assert.ok(svg.includes('<rect x="1" y="2.01" width="3" height="4" fill="#ffffff"/>'));
  assert.ok(svg.includes('<rect x="0" y="0" width="5" height="6" fill="none" stroke="red" stroke-width="2"/>'));
  assert.ok(svg.includes('<path d="M0 1L2 3M4 5L6 7" stroke="blue" stroke-opacity="0.28"/>'));
  assert.ok(svg.includes('<text x="1.23" y="2" dy="0.35em" text-anchor="end" fill="black">x</text>'));
});

test("a token cannot leave the text that it stands in", () => {
  const { pen, file } = svgPen();
  pen.text('</text><script>"&\u0000\ud800', 0, 0, "black", "left");
  assert.ok(file(1, 1).includes("&lt;/text&gt;&lt;script&gt;&quot;&amp;\ufffd\ufffd</text>"));
});

test("a canvas gets the calls that the file has as elements", () => {
  const draw = canvas();
  const pen = canvasPen(draw as never);
  pen.rect(1, 2, 3, 4, "red");
  pen.lines([[0, 1, 2, 3]], "blue", 0.5);
  assert.deepEqual(draw.calls, [["fillRect", 1, 2, 3, 4], ["beginPath"], ["moveTo", 0, 1], ["lineTo", 2, 3], ["stroke"]]);
  const { globalAlpha, lineWidth } = draw as { globalAlpha?: number; lineWidth?: number };
  assert.deepEqual([globalAlpha, lineWidth], [1, 1]);
});
