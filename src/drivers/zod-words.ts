// What zod's small form says of a wrong value, in English: by itself it has no words but "Invalid input".

import { config } from "zod/mini";
import en from "zod/v4/locales/en.js";

config(en());
