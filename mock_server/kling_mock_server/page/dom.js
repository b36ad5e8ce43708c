// Elements are made here and nowhere else. Every text goes in as a text node: nothing is ever parsed as markup.

const SVG = "http://www.w3.org/2000/svg";

// Characters that show nothing, or turn the text around them: a payload must not look like another one.
const UNSEEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** Return a text with characters that cannot be seen as `\uXXXX`. */
export function visible(text) {
  return String(text).replace(UNSEEN, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : visible(value));
  }
  element.append(
    ...children
      .flat(Infinity)
      .filter((one) => one !== null && one !== undefined && one !== false)
      .map((one) => (one instanceof Node ? one : visible(one))),
  );
  return element;
}

/** Make an HTML element: attributes, `onclick` and the like as listeners, then children. */
export const h = (tag, properties, ...children) => filled(document.createElement(tag), properties, children);

/** Make an SVG element. */
export const svg = (tag, properties, ...children) => filled(document.createElementNS(SVG, tag), properties, children);

/** Replace the children of an element. */
export function fill(element, ...children) {
  element.replaceChildren();
  return filled(element, {}, children);
}

/** Replace one element by its like, unless both look the same; keeps what is focused and what is playing. */
export function update(element, key, make) {
  if (element.dataset.key === key) return;
  element.dataset.key = key;
  fill(element, make());
}

/** Say something to screen readers and, unless it is `quiet`, for a moment in a corner of the page. */
export function announce(text, { quiet = false } = {}) {
  const status = document.getElementById("status");
  status.textContent = visible(text);
  status.classList.toggle("shown", !quiet);
  clearTimeout(announce.timer);
  announce.timer = setTimeout(() => status.classList.remove("shown"), 4000);
}

/** Put a text into the clipboard; where a browser does not allow it, select it in its element. */
export async function copy(text, element) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    if (element) getSelection().selectAllChildren(element);
    return false;
  }
}
