console.log("a web app of the tests");
