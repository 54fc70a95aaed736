"use strict";
// A reporter for `node --test`: a line a test, and what failed to standard error.

module.exports = async function* lines(source) {
  const suite = `js, ${process.env.SUITE_BEHIND}`;
  for await (const { type, data } of source) {
    // The file itself is reported as a test, too, where it could not be run.
    if (type === "test:pass" && data.nesting === 0 && data.details.type !== "suite") {
      yield `ok    ${suite}: ${data.name}\n`;
    } else if (type === "test:fail" && data.nesting === 0) {
      process.stderr.write(`${data.name}: ${data.details.error.cause?.stack ?? data.details.error}\n`);
      yield `FAIL  ${suite}: ${data.name}\n`;
    } else if (type === "test:stderr") {
      process.stderr.write(data.message);
    }
  }
};
