// Entry of one recipe's thread.

import { parentPort, workerData } from "node:worker_threads";
import { RECIPES } from "./recipes.ts";
import { tryRecipe } from "./try.ts";

// Our own main thread started us with the recipe's place in the list.
const recipe = RECIPES[workerData as number];
if (recipe === undefined) throw new RangeError("no recipe has this number");
parentPort?.postMessage(tryRecipe(recipe));
