"""Plain sentences about nothing in particular, on which a vector's side effects are measured.

Written for this purpose; of no author, so that no model has them by heart.
"""

NEUTRAL = (
    "The library opens at nine in the morning and closes at six, except on Sundays.",
    "Water boils at a lower temperature in the mountains, because the air is thinner there.",
    "To make the dough, mix the flour with the salt and add warm water little by little.",
    "The train to the coast leaves from platform four and stops at every village on the way.",
    "A square has four sides of the same length, and each of its corners is a right angle.",
    "She put the letter into an envelope, wrote the address on it and walked to the post office.",
    "Most of the grain that is grown in the valley is stored in the old barns by the river.",
    "The committee will meet again in the second week of March to discuss the new budget.",
)
