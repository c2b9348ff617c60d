// Renews the line of what arrives. The page says the same without it, as it was when it was opened.
"use strict";
const live = document.querySelector("[data-live]");
if (live) {
  setInterval(async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(live.dataset.live, { credentials: "same-origin" });
      if (!answer.ok) return;
      const text = await answer.text();
      if (text !== live.dataset.shown) {
        live.dataset.shown = text;
        live.innerHTML = text;
      }
    } catch {
      // The next time will tell.
    }
  }, 5000);
}
