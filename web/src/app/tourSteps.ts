// What the tour says, and the part of the page that each step is about.

export interface TourStep {
  /** The value of `data-tour` there. */
  place: string;
  title: string;
  says: string;
}

export const STEPS: TourStep[] = [
  { place: "prompt", title: "Ask", says: "Type a text that the model shall continue, and press Enter. Or take an example: it comes with an answer, a foil, and a second prompt in which the foil is right." },
  { place: "answer", title: "Answer and foil", says: "The bars are the model's probabilities for the next token. Everything below is about one choice: why the answer, rather than the foil? Choose other tokens with the buttons." },
  { place: "lens", title: "Where the answer appears", says: "Each row is the model stopped after a layer, each column a token of the prompt. The arrow ▸ marks the layer from which on the answer is the likeliest. Choose a cell: its layer and token light up in every view." },
  { place: "parts", title: "Who wrote it", says: "Each cell is a head or an MLP. Blue wrote towards the answer, orange against it. What was written need not have been needed: “Measure every head and MLP” turns each off alone." },
  { place: "part", title: "One part", says: "Where it looks, which tokens it reads from, what it writes. Turn it off: the table shows the answer without it, beside random parts turned off in the same way." },
  { place: "modes", title: "From looking to evidence", says: "Contrast pairs puts values of one prompt into the other. Circuit map finds the smallest set of parts that keeps the answer, and measures it. What is on the screen is in the address: a link shows the same." },
];
