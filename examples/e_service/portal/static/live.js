// Shows the newest state of a case. All else of the e-service works without this file.
const main = document.querySelector("main[data-live]");
const news = document.getElementById("news");

// Whether somebody is filling in a form, or has: what they type and choose is theirs.
function isBusy() {
  const fields = [...main.querySelectorAll("input, textarea")];
  return (
    fields.includes(document.activeElement) ||
    fields.some(
      (each) => each.value !== each.defaultValue || each.checked !== each.defaultChecked,
    )
  );
}

// What an element is found by in the newer page.
function nameOf(element) {
  const { id, href, value, localName, parentElement } = element;
  return [localName, id || href || value || parentElement.id || element.textContent].join(" ");
}

function find(like) {
  const name = like && nameOf(like);
  return [...main.querySelectorAll(like?.localName ?? "x")].find((each) => nameOf(each) === name);
}

async function refresh() {
  const response = await fetch(main.dataset.page, { credentials: "same-origin" });
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const newer = page.querySelector("main[data-live]");
  if (!newer) return;
  main.dataset.stamp = newer.dataset.stamp;
  if (isBusy()) {
    news.className = "notice";
    news.textContent = main.dataset.stale;
    return;
  }
  const focused = main.contains(document.activeElement) && document.activeElement;
  const opened = [...main.querySelectorAll("details[open] > summary")];
  main.replaceChildren(...newer.childNodes);
  for (const each of opened) find(each)?.parentElement.setAttribute("open", "");
  if (focused && focused !== main) (find(focused) ?? main).focus({ preventScroll: true });
  document.title = page.title;
  if (newer.dataset.news !== main.dataset.news) news.textContent = newer.dataset.news;
  main.dataset.news = newer.dataset.news;
}

if (main) {
  const source = new EventSource(main.dataset.live);
  source.onmessage = (message) => {
    if (message.data !== main.dataset.stamp) refresh();
  };
}
