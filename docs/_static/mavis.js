// What scrolls can be scrolled by keyboard, and commands can be copied without their prompts.

function reachable(element) {
  if (element.scrollWidth > element.clientWidth) element.tabIndex = 0;
}

function command(block) {
  const lines = block.innerText.trimEnd().split("\n");
  return lines.map((line) => line.replace(/^[$#] /, "")).join("\n");
}

function copyable(block) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(command(block));
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  block.closest(".highlight").append(button);
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("article pre, .table-wrapper").forEach(reachable);
  if (!navigator.clipboard) return;
  document.querySelectorAll(".highlight-sh pre, .highlight-console pre").forEach(copyable);
});
