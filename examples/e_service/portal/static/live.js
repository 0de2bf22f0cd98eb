// Shows the newest state of a case. All else of the e-service works without this file.
const main = document.querySelector("main[data-live]");
const news = document.getElementById("news");
let isEdited = false;

async function refresh() {
  const response = await fetch(main.dataset.page, { credentials: "same-origin" });
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const newer = page.querySelector("main[data-live]");
  if (!newer) return;
  main.dataset.stamp = newer.dataset.stamp;
  if (isEdited) {
    // What somebody is typing is theirs: nothing is replaced.
    news.className = "notice";
    news.textContent = main.dataset.stale;
    return;
  }
  main.replaceChildren(...newer.childNodes);
  document.title = page.title;
  if (newer.dataset.news !== main.dataset.news) news.textContent = newer.dataset.news;
  main.dataset.news = newer.dataset.news;
}

if (main) {
  main.addEventListener("input", () => {
    isEdited = true;
  });
  const source = new EventSource(main.dataset.live);
  source.onmessage = (message) => {
    if (message.data !== main.dataset.stamp) refresh();
  };
}
