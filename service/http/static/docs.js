// Swagger UI with the service's OpenAPI document. By default Swagger UI keeps keys in local storage, shared by all
// tabs and without expiry. Here a key is kept until its tab is closed.
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
  validatorUrl: null, // The default sends the document's URL to an external validator.
  persistAuthorization: false,
  plugins: [keyForTheTab],
  onComplete: () => {
    if (tabKey.get()) ui.preauthorizeApiKey("bearer", tabKey.get());
  },
});
