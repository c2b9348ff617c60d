// Renews the line of what arrives. The page says the same without it, as it was when it was opened.
"use strict";
const live = document.querySelector("[data-live]");
const PAUSE = 5000;
async function renew() {
  try {
    if (!document.hidden) {
      const answer = await fetch(live.dataset.live, { credentials: "same-origin" });
      const text = answer.ok ? await answer.text() : live.innerHTML;
      if (text !== live.dataset.shown) {
        live.dataset.shown = text;
        live.innerHTML = text;
      }
    }
  } catch {
    // The next time will tell.
  }
  setTimeout(renew, PAUSE);
}
if (live) setTimeout(renew, PAUSE);
