// Numbers as text: a sign on what can have one, a true minus, no -0.

export function signed(value: number | null, digits = 3): string {
  if (value === null || Number.isNaN(value)) return "";
  const text = value.toFixed(digits);
  const zero = Number(text) === 0;
  const bare = text.replace("-", "");
  return zero ? `+${bare}` : value < 0 ? `\u2212${bare}` : `+${bare}`;
}

/** A share; where there was nothing to divide by it is said to be undefined. */
export function share(value: number | null, digits = 3): string {
  return value !== null && Number.isNaN(value) ? "undefined" : signed(value, digits);
}

export const NOTHING_TO_DIVIDE_BY = "Shares are undefined: replacing everything changes the metric by no more than rounding does, so there is nothing to divide by.";

export function percent(value: number): string {
  return value > 0 && value < 0.005 ? "< 1 %" : `${(100 * value).toFixed(0)} %`;
}

/** A token as one reads it: what is not seen is drawn. */
export function visible(token: string): string {
  const drawn = token.replaceAll("\n", "\u21b5").replaceAll("\t", "\u21e5");
  return drawn.trim() === "" ? "\u2423".repeat(drawn.length) || "\u2205" : drawn;
}
