// What the pages of Mavis can do more with a script: times in the reader's zone, ids that copy,
// tables that can be filtered, and Runs that are followed. Without it they lack only that.
"use strict";
