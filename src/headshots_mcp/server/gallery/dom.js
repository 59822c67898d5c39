// Small helpers for the document.

export const root = document.documentElement;
export const $ = (id) => document.getElementById(id);

// A string among the children becomes text, never markup.
export function make(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter(Boolean));
  return made;
}

export const box = (className, ...children) => make("div", { className }, ...children);
export const small = (said) => make("p", { className: "small" }, said);
export const button = (label, onclick) => make("button", { type: "button", onclick }, label);

export async function copy(said) {
  try {
    await navigator.clipboard.writeText(said);
  } catch {
    copyTheOldWay(said);
  }
}

// A host that grants no clipboard still lets a pressed button copy.
function copyTheOldWay(said) {
  const fill = (event) => {
    event.clipboardData.setData("text/plain", said);
    event.preventDefault();
  };
  document.addEventListener("copy", fill, { once: true });
  if (!document.execCommand("copy")) throw new Error(said);
}
