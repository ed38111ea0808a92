window.addEventListener("load", () => {
    window.SwaggerUIBundle({
        url: "/emboux/v1/openapi.json",
        dom_id: "#docs",
        deepLinking: true,
        docExpansion: "list",
        filter: true,
        persistAuthorization: false,
        validatorUrl: null,
    });
});
