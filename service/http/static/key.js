// The API key of the pages, in the session storage of this tab: it is deleted when the tab is closed.
"use strict";

const KEY_ITEM = "tabento-key";

const tabKey = {
  get: () => sessionStorage.getItem(KEY_ITEM) ?? "",
  keep: (key) => sessionStorage.setItem(KEY_ITEM, key),
  forget: () => sessionStorage.removeItem(KEY_ITEM),
};
