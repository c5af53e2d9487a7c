// Cube with an in-memory cache and queue, and its rollups in PostgreSQL beside the items.
const CubejsServer = require('@cubejs-backend/server');

new CubejsServer()
  .listen()
  .then(({ port }) => console.log(`ready on ${port}`))
  .catch((error) => {
    console.error(error);
    process.exit(1);
  });
