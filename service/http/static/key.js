// The API key that the pages use: kept in this tab's session storage, gone when the tab is closed.
"use strict";

const KEY_ITEM = "tabento-key";

const tabKey = {
  get: () => sessionStorage.getItem(KEY_ITEM) ?? "",
  keep: (key) => sessionStorage.setItem(KEY_ITEM, key),
  forget: () => sessionStorage.removeItem(KEY_ITEM),
};
