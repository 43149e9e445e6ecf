// Pictures that look outside the page as they do on it: colours and fonts are in the file itself.

const XMLNS = "http://www.w3.org/2000/svg";
/** What the style sheet says of an SVG element, as attributes that every viewer reads. */
const INLINED = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-family", "font-size", "font-weight"];
const COLOURS = new Set(["fill", "stroke"]);
const DENSITY = 2;
let pixel: CanvasRenderingContext2D | null = null;

/** An SVG element of the page as a file of its own, on the colour of the page. */
export function standalone(figure: SVGSVGElement): string {
  const copy = figure.cloneNode(true) as SVGSVGElement;
  const [from, to] = [elements(figure), elements(copy)];
  from.forEach((element, i) => {
    const style = getComputedStyle(element);
    for (const name of INLINED) {
      const value = style.getPropertyValue(name);
      to[i]!.setAttribute(name, COLOURS.has(name) ? plain(value) : value);
    }
    for (const name of ["class", "role", "tabindex"]) to[i]!.removeAttribute(name);
  });
  const [width, height] = [figure.width.baseVal.value, figure.height.baseVal.value];
  copy.setAttribute("xmlns", XMLNS);
  copy.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const ground = document.createElementNS(XMLNS, "rect");
  for (const [name, value] of Object.entries({ width: "100%", height: "100%", fill: pageColour("--card") })) ground.setAttribute(name, value);
  copy.prepend(ground);
  return new XMLSerializer().serializeToString(copy);
}

/** The picture in pixels, twice as dense as on the page. */
export async function asPng(svg: string): Promise<Blob> {
  const address = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth * DENSITY;
    canvas.height = image.naturalHeight * DENSITY;
    canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((made, failed) =>
      canvas.toBlob((blob) => (blob ? made(blob) : failed(new Error("The picture is too large."))), "image/png"),
    );
  } finally {
    URL.revokeObjectURL(address);
  }
}

export function pageColour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Text inside SVG, without what XML cannot hold. */
export function escaped(text: string): string {
  const held = text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu, "\ufffd");
  return held.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

function elements(root: SVGSVGElement): SVGElement[] {
  return [root, ...root.querySelectorAll<SVGElement>("*")];
}

/** A colour as #rrggbb: what a browser computes of mixed colours is not read elsewhere. */
function plain(colour: string): string {
  if (colour === "none" || colour.startsWith("rgb(")) return colour;
  pixel ??= document.createElement("canvas").getContext("2d", { willReadFrequently: true })!;
  pixel.clearRect(0, 0, 1, 1);
  pixel.fillStyle = colour;
  pixel.fillRect(0, 0, 1, 1);
  const [r, g, b, alpha] = pixel.getImageData(0, 0, 1, 1).data;
  return alpha === 0 ? "none" : `#${[r!, g!, b!].map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}
