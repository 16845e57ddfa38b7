// Swagger UI over the service's own document. It would keep keys in local storage, for every tab and for ever:
// here a key lasts as long as the tab.
"use strict";

const keyForTheTab = () => ({
  statePlugins: {
    auth: {
      wrapActions: {
        authorize: (authorize) => (granted) => {
          const [first] = Object.values(granted);
          if (typeof first?.value === "string") tabKey.keep(first.value.trim());
          return authorize(granted);
        },
        logout: (logout) => (names) => {
          tabKey.forget();
          return logout(names);
        },
      },
    },
  },
});

const ui = SwaggerUIBundle({
  url: "docs.json",
  dom_id: "#api",
  deepLinking: true,
  tryItOutEnabled: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null, // Otherwise a badge asks an outside host for a verdict on the document.
  persistAuthorization: false,
  plugins: [keyForTheTab],
  onComplete: () => {
    if (tabKey.get()) ui.preauthorizeApiKey("bearer", tabKey.get());
  },
});
