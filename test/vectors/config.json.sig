untrusted comment: signature from minisign secret key
RUQCTFZuEm0t6d9+6xkAeu+d2tDv+FDxSuWRyr4JTJbgVPA2T4FO0JWvt+fiIr5exYF1VUF68ouIYB7wzCA5j8vBBSf/9F2jiQs=
trusted comment: timestamp:1795445174	file:config.json	hashed
rqLM8jMS0l3L2BbBNwVpxDMbQ1x+uIXmFbVH8/WzQKINcPqTgO4Jw1JJPmg3/6fW+ZE6eGWpdYk8DBHhIA5kDw==
